"""`kubectl fargate restore`: pods brought back from their StoredPods."""
