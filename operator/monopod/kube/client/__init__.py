"""Requests to the API server: what they say and what answers mean, and two transports that send them."""
