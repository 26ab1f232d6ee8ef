"""ECS tasks: what a task definition may say on Fargate."""
