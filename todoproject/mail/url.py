"""EMAIL_URL, read strictly: where mails go, as Django's settings want to know it.

Pure: the settings call it, and it knows none of them.
"""

import re
from typing import Any
from urllib.parse import unquote, urlsplit

CONSOLE = {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
NOWHERE = {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
# For each scheme its usual port and how the connection is encrypted: not, after STARTTLS, or from the first byte.
_SCHEMES: dict[str, tuple[int, dict[str, bool]]] = {
    "smtp": (25, {}),
    "smtp+tls": (587, {"EMAIL_USE_TLS": True}),
    "smtps": (465, {"EMAIL_USE_SSL": True}),
}
_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


def parse(text: str) -> dict[str, Any]:
    """Return the URL as Django's e-mail settings. Raises ValueError, whose message never holds the password."""
    if text == "console":
        return CONSOLE
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # whose message may hold the password
        raise ValueError("has a port that is none, or special characters that are not percent-encoded") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"is neither the word console nor a URL that begins with {', '.join(_SCHEMES)}")
    if port == 0 or not parts.hostname or re.search(r"[\s?#]", text) or parts.path.strip("/"):
        raise ValueError("is not scheme://user:password@host:port (in a password, # is %23, / is %2F, @ is %40)")
    if parts.password and parts.scheme == "smtp" and parts.hostname not in _LOCAL_HOSTS:
        raise ValueError("would send the password in clear: use smtp+tls:// or smtps://")
    usual_port, encryption = _SCHEMES[parts.scheme]
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or usual_port,
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        **encryption,
    }
