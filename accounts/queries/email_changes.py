"""The other half of a change of address by staff: the code that was mailed to the old and the new one comes back."""

from accounts import audit

ACTION = "change e-mail"


def confirmed() -> str:
    """Return the CTEs that give an account its new address, where `digest` is of such a code, and record it.

    Of `changed`, the first, there is a row where it was done: the account's id, and the address that was replaced.
    """
    changed = "changed AS (SELECT * FROM confirm_email_change(%(digest)s))"
    return f"{changed}, {audit.recorded('changed')}"
