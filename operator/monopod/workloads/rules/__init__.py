"""The pod that a workload would create: no cluster, no clock, no input or output."""
