"""What the API server refuses of profiles by policy."""
