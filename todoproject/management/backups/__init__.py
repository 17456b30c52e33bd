"""Backups: a dump in PostgreSQL's own format, and beside it what the dump must hold, taken in the same snapshot."""
