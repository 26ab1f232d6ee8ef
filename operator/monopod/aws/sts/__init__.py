"""Who am I: STS, as far as clients need it."""
