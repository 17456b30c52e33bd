"""How often anybody may ask: what is counted, where, and what a client is told about it.

| what | counted by | where | setting |
|---|---|---|---|
| requests with a token that the database has accepted | token | this process | RATE_LIMIT |
| all other requests, to /v1, /health and pages apart | address, and IPv6 site | this process | RATE_LIMIT_ANONYMOUS |
| static files | address, and IPv6 site | this process | four times RATE_LIMIT_ANONYMOUS |
| logins, registrations, password resets | account, address, both | database (accounts/throttling.py) | LOGIN_LIMIT, … |

The first two protect a process from one busy client, so they live in that process and cost it no round trip: with
several workers a client may have up to the limit from each. The third protects accounts, and is exact whatever the
number of workers. OPTIONS, which browsers send on their own, and /health/live are not counted.
"""

import math
from dataclasses import dataclass

from todoproject.http.client_address import wider
from todoproject.http.problems import TOO_MANY_REQUESTS, Problem

# How many times what one IPv6 network (/64) may ask all networks of a site (/48) may, which are nobody else's mostly.
_SITE_FACTOR = 8
# Keys that one table remembers in each of its two halves, a few MiB in all.
_MOST_KEYS = 32_768


@dataclass(frozen=True, slots=True)
class Policy:
    """`quota` requests at once, refilled evenly over `window` seconds."""

    name: str
    quota: int
    window: int

    @property
    def header(self) -> str:
        """Return the value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.quota};w={self.window}'

    def refusal(self, wait: float) -> Problem:
        """Return the problem for a client that may come back in `wait` seconds."""
        seconds = max(1, math.ceil(wait))
        headers = {
            "Retry-After": str(seconds),
            "RateLimit-Policy": self.header,
            "RateLimit": f'"{self.name}";r=0;t={seconds}',
        }
        detail = f"The limit is {self.quota} in {self.window} s. Try again in {seconds} s."
        return Problem(TOO_MANY_REQUESTS, detail, headers=headers)


class Buckets:
    """Token buckets of one policy, each kept as one number: when it will be full again (GCRA, ITU-T I.371).

    Memory is bounded: keys live in two halves, the older of which is dropped each window, when all in it are full
    again, or earlier if the younger half has no room. Then idle keys are forgotten first; a busy one is always young.
    """

    def __init__(self, policy: Policy, most_keys: int = _MOST_KEYS) -> None:
        self.policy = policy
        self.policy_header = policy.header
        self._interval = policy.window / policy.quota
        self._room = policy.window + self._interval / 1000  # what sums of intervals may miss by rounding
        self._most_keys = most_keys
        self._turn_at = 0.0
        self._young: dict[object, float] = {}
        self._old: dict[object, float] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._young or key in self._old

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def take(self, key: object, now: float) -> float:
        """Take one request from a bucket; return in how many seconds it will be full, for `allows` and `header`.

        Nothing is taken from an empty bucket: whoever keeps asking does not have to wait longer for it.
        """
        full_at = self._young.get(key) or self._old.get(key, now)
        missing = max(full_at - now, 0.0) + self._interval
        if now >= self._turn_at or len(self._young) >= self._most_keys:
            self._old, self._young, self._turn_at = self._young, {}, now + self.policy.window
        self._young[key] = now + missing if missing <= self._room else full_at
        return missing

    def give_back(self, key: object) -> None:
        """Undo one `take`."""
        if key in self._young:
            self._young[key] -= self._interval

    def allows(self, missing: float) -> bool:
        return missing <= self._room

    def wait(self, missing: float) -> float:
        """Return in how many seconds a refused request would be allowed."""
        return missing - self.policy.window

    def header(self, missing: float) -> str:
        """Return the value of `RateLimit`: what is left, and in how many seconds it will be the whole quota again."""
        left = max(0, int((self._room - missing) / self._interval))
        return f'"{self.policy.name}";r={left};t={math.ceil(missing)}'


@dataclass(slots=True)
class Charge:
    """What one request has been charged with: which bucket, and how it stands."""

    buckets: Buckets
    key: object
    missing: float
    unproven: int | None  # a token that the database has not accepted yet

    @property
    def is_refused(self) -> bool:
        return not self.buckets.allows(self.missing)

    def refusal(self) -> Problem:
        return self.buckets.policy.refusal(self.buckets.wait(self.missing))

    def headers(self) -> tuple[str, str]:
        """Return the values of `RateLimit-Policy` and `RateLimit`."""
        return self.buckets.policy_header, self.buckets.header(self.missing)


class Limiter:
    """The limits of this process. A token has a bucket of its own only once the database has accepted it.

    Until then its requests count against the address that sends them, so that made-up tokens neither escape a limit
    nor fill the memory. Tokens are known by Python's keyed hash (SipHash): no token is kept.
    """

    def __init__(self, token: Policy, anonymous: Policy) -> None:
        self._tokens = Buckets(token)
        self._addresses = Buckets(anonymous)
        self._sites = Buckets(Policy(anonymous.name, anonymous.quota * _SITE_FACTOR, anonymous.window))

    def charge(self, address: str, token: str | None, now: float) -> Charge:
        """Count a request before anything is done for it."""
        key = None if token is None else hash(token)
        if key is not None and key in self._tokens:
            return Charge(self._tokens, key, self._tokens.take(key, now), None)
        if (site := wider(address)) is not None:
            missing = self._sites.take(site, now)
            if not self._sites.allows(missing):
                return Charge(self._sites, site, missing, key)
        return Charge(self._addresses, address, self._addresses.take(address, now), key)

    def accept(self, charge: Charge, now: float) -> Charge:
        """Move a charge from the address to its token, which has just been accepted by the database."""
        if charge.unproven is None:
            return charge
        charge.buckets.give_back(charge.key)
        self._sites.give_back(wider(str(charge.key)))
        return Charge(self._tokens, charge.unproven, self._tokens.take(charge.unproven, now), None)
