"""How namespaces get their compiled selectors, and that nobody else writes them."""
