"""Security groups as NetworkPolicies: default-deny first, then what a pod's groups open."""
