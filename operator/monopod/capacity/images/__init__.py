"""Images that are on nodes before pods come: pulled by pods that do nothing, and kept there as their volumes."""
