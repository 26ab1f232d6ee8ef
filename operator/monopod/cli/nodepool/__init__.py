"""`kubectl fargate nodepool`: what makes nodes for a profile's pods."""
