"""Streams of what happens: those that are open in this process, who wakes them, and what each is told."""
