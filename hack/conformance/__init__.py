"""docs/conformance.md: what EKS does, whether Monopod does the same, and the tests that show it.

The rules are in docs/conformance.rules.yaml; a test names those that it shows by `@pytest.mark.eks("1.selectors")`.
"""
