"""Patching: sandboxes that are older than a patch of their runtime are replaced, with a notice."""
