"""The admission policies, in CEL, and the data that they read: the decision of `monopod.domain`, told a second time.

Each rule lives in the module that has its name in the domain (`selection`, `skips`, `size`, `support`); `mutation`,
`backstop`, `marks` and `namespaces` put them together, `policies` wraps them into Kubernetes objects, and
`python -m monopod.admission.render` writes those to manifests/policies. Nothing here talks to a cluster.
"""
