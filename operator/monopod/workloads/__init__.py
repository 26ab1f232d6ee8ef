"""What controls pods, and what would replace one: read, and tried by dry runs before anything is evicted."""
