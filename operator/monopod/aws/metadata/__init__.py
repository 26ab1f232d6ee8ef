"""The task metadata endpoint, version 4: a task's containers ask it about their task, and about nothing else."""
