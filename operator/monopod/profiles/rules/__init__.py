"""A profile's status, and how profiles get along: no cluster, no clock, no input or output."""
