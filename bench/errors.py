"""What ends a run with one line instead of a traceback."""


class BenchError(Exception):
    """Something the user can put right; the message says what."""
