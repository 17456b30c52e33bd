"""What can be wrong with a request about accounts and tokens; `api/errors.py` gives each its answer."""


class EmailTaken(Exception):
    """An account with this e-mail exists."""


class WrongCredentials(Exception):
    """No active account has this e-mail and password."""


class WrongPassword(Exception):
    """The token is good, but the password that was to confirm the request is not the account's."""


class LinkInvalid(Exception):
    """No link has this secret: it is made up, expired, used, or for something else."""


class TokenNotFound(Exception):
    """There is no such live token, or it is somebody else's."""


class TokenRotated(Exception):
    """The token has a successor already."""


class TooManyTokens(Exception):
    """The account has as many live tokens as it may have."""


class OutlivesMaker(Exception):
    """A personal token may not make one that lives longer than itself."""


class ScopeNotHeld(Exception):
    """A token may not make one that can do more than itself."""

    def __init__(self, required: list[str], held: list[str]) -> None:
        super().__init__(f"required {required}, held {held}")
        self.required = required
        self.held = held


class TooManyCalendars(Exception):
    """The account has as many calendars as it may have, or has made as many today."""
