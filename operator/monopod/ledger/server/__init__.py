"""What the ledger tells people and its peers, over HTTP."""
