"""Spot: pods that give way, and what is told of it. What admission makes of them is in `pods`."""
