"""What the API server would say of a manifest, without one: schemas, the rules of our kinds, Kubernetes' own rules.

structural   a value against a structural schema: unknown fields, types, bounds; and its defaults
expressions  the CEL rules that stand in our kinds' schemas
kinds        our kinds, by the schemas that their CRDs are rendered from
kubernetes   pods and workloads, by the OpenAPI of the supported Kubernetes and the rules that it leaves to code
"""
