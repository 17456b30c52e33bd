"""Files that tasks come from and go to: one module a format, from text to items and back; no database, no HTTP."""
