"""What the accounts' mails say. Plain text; a secret is in the part of a link that browsers never send to a server."""

from django.conf import settings

from accounts import addresses
from todoproject.mail.outbox import Mail

_NOT_YOU = "If this was not you, there is nothing to do."


def verify(to: str, secret: str) -> Mail:
    """Ask somebody to prove that they read the address they registered with."""
    text = f"Somebody, probably you, wants to open an account with this address.\n\n{_how('verify-email', secret)}"
    lifetime = _lasts(settings.EMAIL_VERIFICATION_LIFETIME)
    return _mail("verify", to, "Confirm your e-mail", f"{text}\n\n{lifetime} {_NOT_YOU}\n")


def already_registered(to: str, user_id: str) -> Mail:
    """Tell somebody who registers once more that they have an account: the answer to the request does not."""
    text = (
        "Somebody, probably you, wants to open an account with this address. It has one already: log in, or ask for"
        f" a new password.\n\n{_NOT_YOU}\n"
    )
    return _mail("already-registered", to, "You have an account already", text, user_id)


def reset(to: str, secret: str, user_id: str) -> Mail:
    """Give somebody the means to set a new password."""
    text = f"Somebody, probably you, wants a new password for this account.\n\n{_how('reset-password', secret)}"
    lifetime = _lasts(settings.PASSWORD_RESET_LIFETIME)
    return _mail("reset", to, "Set a new password", f"{text}\n\n{lifetime} {_NOT_YOU}\n", user_id)


def password_changed(to: str, user_id: str) -> Mail:
    """Tell somebody that their password is another one now (OWASP ASVS 5.0, 6.3.7)."""
    text = (
        "The password of your account has just been changed, and its other logins have ended.\n\n"
        "If this was not you, ask for a new password at once.\n"
    )
    return _mail("password-changed", to, "Your password was changed", text, user_id)


def email_changed(to: str, user_id: str) -> Mail:
    """Tell somebody, at their old address, that their account has another one."""
    text = (
        "The e-mail address of your account has just been changed; this one no longer belongs to it.\n\n"
        "If you did not ask for that, answer to whoever runs this service at once.\n"
    )
    return _mail("email-changed", to, "Your e-mail address was changed", text, user_id)


def new_email(to: str, secret: str, user_id: str) -> Mail:
    """Ask somebody to prove that they read the address that they want for their account."""
    text = f"Somebody, probably you, wants this address for their account here.\n\n{_how('verify-email', secret)}"
    lifetime = _lasts(settings.EMAIL_VERIFICATION_LIFETIME)
    return _mail("new-email", to, "Confirm your new e-mail", f"{text}\n\n{lifetime} {_NOT_YOU}\n", user_id)


def new_email_asked(to: str, user_id: str) -> Mail:
    """Tell somebody at their address that another one was asked for, with their password."""
    text = (
        "Somebody who knows your password wants another e-mail address for your account. It is changed when the code"
        " mailed to that address is used.\n\nIf this was not you, set a new password at once: that ends it.\n"
    )
    return _mail("new-email-asked", to, "Another e-mail address for your account", text, user_id)


def email_change_asked(to: str, secret: str, user_id: str) -> Mail:
    """Ask at somebody's address, the old or the new one, whether their account shall have the new one.

    It names neither: who reads the old one now need not be whose account it is.
    """
    text = (
        "Our staff have been asked to change the e-mail address of your account. Nothing changes before somebody who"
        f" reads the old address or the new one agrees.\n\n{_how('verify-email', secret)}"
    )
    lifetime = _lasts(settings.EMAIL_VERIFICATION_LIFETIME)
    if_not = "If you did not ask for that, do not use it, and tell whoever runs this service at once."
    return _mail("email-change-asked", to, "Another e-mail address?", f"{text}\n\n{lifetime} {if_not}\n", user_id)


def calendar_made(to: str, name: str, user_id: str) -> Mail:
    """Tell somebody that there is an address at which their tasks can be read."""
    text = (
        f"A calendar, “{name}”, was just made for your account. Whoever knows its address can read your tasks.\n\n"
        "If this was not you, end all logins and set a new password at once: that ends all calendars, too.\n"
    )
    return _mail("calendar-made", to, "A calendar of your tasks was made", text, user_id)


def second_factor_locked(to: str, user_id: str) -> Mail:
    """Tell staff that somebody has their password and tries codes."""
    text = (
        "Somebody has entered your password for the admin, and then ten wrong codes in a row. Your second factor is"
        " locked.\n\nIf this was not you, they know your password. Either way, set a new one: that opens the lock, too."
        " An administrator can open it as well.\n"
    )
    return _mail("second-factor-locked", to, "Your second factor is locked", text, user_id)


def _mail(kind: str, to: str, subject: str, text: str, user_id: str | None = None) -> Mail:
    return Mail(kind, addresses.deliverable(to), subject, text, user_id)


def _how(page: str, secret: str) -> str:
    if settings.PUBLIC_URL:
        return f"To go on, open this link:\n\n{settings.PUBLIC_URL}/{page}#token={secret}"
    return f"To go on, use this code:\n\n{secret}"


def _lasts(seconds: int) -> str:
    minutes, hours = seconds // 60, seconds // 3600
    return f"It works once, within the next {f'{hours} hours' if hours > 1 else f'{minutes} minutes'}."
