"""What users hand in: files, manifests, profiles, and what the API server would say of them."""
