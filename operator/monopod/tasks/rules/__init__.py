"""Decisions on ECS task definitions, from the definition alone."""
