"""Prices of sizes: no cluster, no clock, no input or output."""
