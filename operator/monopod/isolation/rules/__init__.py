"""What security groups amount to: no cluster, no clock, no input or output."""
