"""The kinds of ECS: clusters, task definitions and tasks, which `kubectl` and AWS's tools both see."""
