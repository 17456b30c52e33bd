"""The one exception of the embedded server."""


class EmbeddedServerError(Exception):
    """Say in one line why there is no embedded server, and what to do about it."""
