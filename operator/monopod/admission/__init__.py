"""The admission policies: the CEL of all rooms, put together as Kubernetes objects.

Each rule lives in the module that has its name in the domain (`selection`, `skips`, `size`, `support`); `mutation`,
`backstop`, `marks` and `namespaces` put them together, `policies` wraps them into Kubernetes objects, and
`python -m monopod.admission.render` writes those to manifests/policies. Nothing here talks to a cluster.
"""
