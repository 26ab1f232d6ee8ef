"""`kubectl fargate top`: what runs now, and what it costs."""
