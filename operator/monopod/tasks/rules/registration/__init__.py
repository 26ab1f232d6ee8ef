"""What a task definition becomes when it is registered, and when a task of it is run with overrides."""
