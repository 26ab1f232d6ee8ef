"""What admission says of what the operator writes for capacity, in CEL."""
