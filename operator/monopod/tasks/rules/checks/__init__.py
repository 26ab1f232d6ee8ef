"""What Fargate and Monopod object to in a task definition, by subject."""
