"""Builds container images as docker archives without a container engine: Monopod's own and the local cluster's.

Where Docker runs, the Dockerfile at the repository's root makes the same image of the operator.
"""
