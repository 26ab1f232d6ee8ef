"""The operator's process: its options, what it watches, and everything else put together.

Level-based throughout: a reconcile reads what is, decides what should be, and writes the difference. Nothing is stored
on objects beyond what their users see, so an operator that was killed comes back to the same result.
"""
