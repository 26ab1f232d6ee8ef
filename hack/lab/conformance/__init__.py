"""Kubernetes' own conformance tests, with a profile and without: `make test-conformance`."""
