"""`kubectl fargate lint`: manifests judged without a cluster."""
