"""Lifetimes, bills and prices: no cluster, no clock, no input or output."""
