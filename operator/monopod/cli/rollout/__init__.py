"""`kubectl fargate rollout`: how far a profile's rescheduling is."""
