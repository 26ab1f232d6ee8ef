"""`kubectl fargate receipt`: what one pod or workload was billed for, and why."""
