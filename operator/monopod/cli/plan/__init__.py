"""`kubectl fargate plan`: which pods a profile would move."""
