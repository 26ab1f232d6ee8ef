"""Which pod is next, and what an answer means: no cluster, no clock, no input or output."""
