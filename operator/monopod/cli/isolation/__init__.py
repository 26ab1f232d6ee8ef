"""`kubectl fargate isolation`: which connections a pod has, and who says so."""
