"""docs/reference/pod-fields.md: every field that a pod can have, and what becomes of it on Fargate.

The fields are in docs/pod-fields.yaml, which a test compares with what Kubernetes knows.
"""
