"""Generated input, a lot of it."""
