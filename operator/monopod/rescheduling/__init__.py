"""Pods that run elsewhere than they would now are moved: a few at a time, tried beforehand."""
