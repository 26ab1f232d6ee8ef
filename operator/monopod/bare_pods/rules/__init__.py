"""How such a pod is moved, step by step: no cluster, no clock, no input or output."""
