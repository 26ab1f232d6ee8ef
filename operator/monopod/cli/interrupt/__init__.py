"""`kubectl fargate interrupt`."""
