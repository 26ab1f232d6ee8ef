"""What usage is, and what it costs: lifetimes of pods, bills, price books."""
