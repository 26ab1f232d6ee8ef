"""`kubectl fargate access-key`: keys for the AWS endpoint."""
