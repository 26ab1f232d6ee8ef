"""Puts gVisor on a node, for charts/gvisor-node: the standard library only, as it runs as root on every node."""
