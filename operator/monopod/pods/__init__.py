"""One pod's decision, told twice: in Python (rules) and in CEL (cel), a file each of the same name."""
