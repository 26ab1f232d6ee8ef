"""What CEL is made of here, whatever it says: variables, validations, JSON Patch, the format of compiled selectors."""
