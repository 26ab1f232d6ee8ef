"""What the commands' outputs have in common."""
