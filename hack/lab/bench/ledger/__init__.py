"""What the ledger costs: a recorder, and its answers."""
