"""The endpoint's process: AWS's own tools ask it, and it answers from Kubernetes' objects, with the asker's rights."""
