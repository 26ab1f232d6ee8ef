"""Security groups in CEL: who belongs to which, and what no one else may write."""
