"""How long a pod takes to start where room, or its image, was there before it."""
