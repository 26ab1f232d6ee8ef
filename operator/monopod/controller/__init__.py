"""The operator: kopf's watches mark work, one reconciler does it.

Level-based throughout: a pass reads what is, decides what should be, and writes the difference. Nothing is stored on
objects beyond what their users see, so an operator that was killed comes back to the same result.
"""
