"""The scheduling gates that pods wait behind, and when they are removed."""
