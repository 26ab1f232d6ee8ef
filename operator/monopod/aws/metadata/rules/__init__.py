"""Who asks for what, and what is answered. Pure."""
