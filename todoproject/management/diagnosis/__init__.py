"""What `dbcheck` looks at. Every finding that is not well says what to do about it."""
