"""Which pods are interrupted, and what is said on them: no cluster, no clock, no input or output."""
