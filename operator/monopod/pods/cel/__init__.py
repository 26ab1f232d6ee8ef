"""The decision on a pod in CEL, as the API server makes it; the same as `monopod.pods.rules`."""
