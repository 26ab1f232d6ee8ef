"""`kubectl fargate usage`: the ledger's lifetimes as files, how they are counted, and the care of them."""
