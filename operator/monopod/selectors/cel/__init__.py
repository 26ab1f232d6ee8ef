"""How namespaces get their compiled selectors, and that no one else writes them."""
