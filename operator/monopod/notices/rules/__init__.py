"""What a notice says, and the envelopes that it is sent in."""
