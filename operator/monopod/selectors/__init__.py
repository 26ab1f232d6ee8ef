"""What stands on namespaces: selectors compiled to text, within bounds. No cluster, no input or output."""
