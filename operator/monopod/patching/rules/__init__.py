"""Which sandboxes are out of date, and when they may be replaced: no cluster, no clock, no input or output."""
