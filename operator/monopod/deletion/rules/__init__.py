"""How far a deletion is, and whose turn it is: no cluster, no clock, no input or output."""
