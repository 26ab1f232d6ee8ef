"""The pod that a task is: what Kubernetes is to run for a task definition that `validation` has nothing against."""
