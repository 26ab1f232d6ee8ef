"""What Kubernetes' objects hold, and how it is read: no client, no clock, no input or output."""
