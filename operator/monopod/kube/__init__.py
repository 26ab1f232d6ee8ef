"""Kubernetes without Monopod: client, caches, watches, events, Lease; the only code that knows kopf and the client."""
