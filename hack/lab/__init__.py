"""The local cluster that Monopod's demo and tests run on: real Kubernetes, with or without Docker.

`cluster` is the command, and its `provider.py` chooses between kind (where Docker runs) and the cluster of our own.
"""
