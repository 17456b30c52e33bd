"""System checks of our own, by id."""
