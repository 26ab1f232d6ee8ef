"""The admission policies: the CEL of all rooms, put together as Kubernetes objects.

Each rule is in the room that it belongs to, next to its twin in Python (`monopod.pods.cel.size`); `mutation`,
`backstop` and `marks` put them together, `policies` wraps them into Kubernetes objects, and
`python -m monopod.admission.render` writes those to manifests/policies. Only `installed` talks to a cluster.
"""
