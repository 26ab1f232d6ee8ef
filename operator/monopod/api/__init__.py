"""Monopod's own Kubernetes kinds, and every name that it writes on other people's objects."""
