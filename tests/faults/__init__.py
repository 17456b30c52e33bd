"""The fault suite: the real server, behind stand-ins for Neon, and everything that can go wrong, made to go wrong.

`python -m tests.faults` runs it (tests/faults/__main__.py). Each file in `scenarios` proves one claim. The stand-ins:
`cluster` (PostgreSQL that is killed), `pooler` (PgBouncer), `proxy` (TLS, names, sleep, broken sockets).
"""
