"""Capacity: which nodes a profile's pods need, so that the cluster's autoscaler makes them. Monopod makes none."""
