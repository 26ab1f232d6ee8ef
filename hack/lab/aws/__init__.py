"""Monopod's AWS endpoint on a cluster of this project's, and what its tasks pull from."""
