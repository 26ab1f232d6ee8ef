"""Watches pods by a list and a watch of its own, so that no deletion is missed and none is counted twice."""
