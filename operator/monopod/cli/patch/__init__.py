"""`kubectl fargate patch`."""
