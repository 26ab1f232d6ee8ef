"""`python -m monopod.cli` is `kubectl fargate`."""

from monopod.cli import main

main()
