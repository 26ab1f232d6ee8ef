"""What pods cost: price lists and what they mean."""
