"""The local cluster that Monopod's demo and tests run on: real Kubernetes, with or without Docker.

`cluster.py` is the command; `provider.py` chooses between kind (where Docker runs) and the cluster of our own.
"""
