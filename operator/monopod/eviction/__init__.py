"""One queue for all evictions, whatever they are for: one bound, and budgets respected."""
