"""Warm capacity: what keeps room for a profile's next pods, read and written."""
