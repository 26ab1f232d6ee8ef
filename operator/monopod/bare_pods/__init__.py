"""Pods without a controller: stored, evicted and created again where nothing else would replace them."""
