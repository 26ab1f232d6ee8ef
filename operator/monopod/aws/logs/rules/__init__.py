"""What is in a log, and what of it is answered. Pure."""
