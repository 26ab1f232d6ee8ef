"""A profile's life: gathered, decided, published on namespaces, told in its status."""
