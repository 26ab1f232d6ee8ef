"""What an access key's Secret holds."""
