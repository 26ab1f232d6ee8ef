"""docs/reference/task-definitions.md: every rule by which ECS task definitions are judged."""
