"""Which images nodes have before pods come: what holds them there, and what is said of them."""
