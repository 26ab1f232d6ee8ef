"""Security groups in CEL: who belongs to which, and what nobody else may write."""
