"""Nodes that come and go by themselves: Karpenter, and real machines for what it asks for."""
