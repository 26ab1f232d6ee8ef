"""What the ledger keeps: lifetimes, joined with what is there already, and hourly sums of them."""
