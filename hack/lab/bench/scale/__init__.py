"""How long thousands of pods take from nothing to Running, where no node takes them yet."""
