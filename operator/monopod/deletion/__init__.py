"""The end of a profile's life: its finalizer, and its pods, which go first."""
