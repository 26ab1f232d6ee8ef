"""Monopod: Fargate profiles for any Kubernetes cluster.

Importing this package must stay cheap: the CLI's start-up time depends on it, so nothing is imported here.
"""

__version__ = "0.1.0"
