"""What questions mean and how answers look; pure."""
