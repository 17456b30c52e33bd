"""What is known of a database that cannot be reached: since when, why, and how long it makes sense to wait for it."""

import time

from django.conf import settings

from todoproject.database.errors import one_line, worth_another_try

# Long enough for one more try, whose answer is then told; nobody waits for what only a person can mend.
_HOPELESS_SECONDS = 0.5


class Outage:
    """One pool's view of its database: `is_on` from the first sign that it is gone to the next connection."""

    def __init__(self) -> None:
        self.is_on = False
        self.reason: str | None = None  # why the last try to connect has failed
        self._is_hopeless = False
        self._since = self._last = 0.0

    def begin(self) -> None:
        """Note a sign of an outage: the first, another one, or one after a while in which nobody has asked."""
        now = time.monotonic()
        if not self.is_on or now - self._last > settings.DATABASE_CONNECT_TIMEOUT:
            self._since = now
        self.is_on, self._last = True, now

    def renew(self) -> None:
        """Note that there was a connection until now: whatever sign comes next is the first of another outage."""
        self._last = float("-inf")

    def note(self, error: Exception) -> bool:
        """Note why a try to connect has failed; tell whether another one is hopeless."""
        self.begin()
        self.reason = one_line(error)
        self._is_hopeless = not worth_another_try(self.reason)
        return self._is_hopeless

    def end(self) -> None:
        """Note that there is a new connection."""
        self.is_on, self.reason, self._is_hopeless = False, None, False

    def patience(self) -> float:
        """Return for how many seconds a request should wait for a connection.

        A database that has just gone may be asleep, and its waking is waited for; one that has been away for longer
        than that would only make requests pile up.
        """
        if not self.is_on:
            return float(settings.DATABASE_POOL_TIMEOUT)
        if self._is_hopeless:
            return _HOPELESS_SECONDS
        return max(float(settings.DATABASE_POOL_TIMEOUT), self.waking())

    def waking(self) -> float:
        """Return for how many seconds more the database may be waking; 0 where it is not, or has been away for long."""
        if not self.is_on or self._is_hopeless:
            return 0.0
        return max(0.0, self._since + settings.DATABASE_CONNECT_TIMEOUT - time.monotonic())
