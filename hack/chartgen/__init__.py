"""Generates the parts of the Helm chart that have another source: `python -m chartgen`.

The CRD, RBAC and admission policies of the chart are those of manifests/, with the names of the release put in.
docs/reference/chart.md is made from the comments of values.yaml. tests/chart renders chart and manifests and compares
them, so that neither this generator nor a hand can make them differ.
"""
