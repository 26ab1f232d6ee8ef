"""Makes the reference of Monopod's kinds, docs/reference/api.md, from their models: `python -m apidocs`.

The docstrings of kinds and fields are the descriptions, and the rules beside them are the rules, as in the CRDs, so
that the page can't say anything that the API server doesn't.
"""
