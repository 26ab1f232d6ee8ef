"""What a node must be for a profile's pods, and how autoscalers are told."""
