"""Every operation, or the whole server."""
