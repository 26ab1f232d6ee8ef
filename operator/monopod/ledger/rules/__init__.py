"""What the rooms of the ledger share, decided from arguments alone."""
