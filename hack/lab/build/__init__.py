"""The tools that clusters are made of, built from pinned sources."""
