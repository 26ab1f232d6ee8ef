"""Who may what: access keys stand for users of Kubernetes, and the API server is asked in their names."""
