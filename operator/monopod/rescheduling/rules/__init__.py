"""Which pod moves next, and when none does: no cluster, no clock, no input or output."""
