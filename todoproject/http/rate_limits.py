"""How often anybody may ask: what is counted, where, and what a client is told about it.

| what | counted by | where | setting |
|---|---|---|---|
| requests with a token that the database has accepted | token | this process | RATE_LIMIT |
| the same, of all tokens of an account together | account | this process | RATE_LIMIT_ACCOUNT |
| all other requests, to /v1, /health and pages apart | address, and IPv6 site | this process | RATE_LIMIT_ANONYMOUS |
| static files | address, and IPv6 site | this process | four times RATE_LIMIT_ANONYMOUS |
| logins, registrations, password resets | account, address, both | database (accounts/throttling.py) | LOGIN_LIMIT, … |

All but the last protect a process from one busy client, so they live in that process and cost it no round trip: with
several workers a client may have up to the limit from each. The last protects accounts, and is exact whatever the
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
# Tokens of which is remembered whose they are; the one learnt first is forgotten first, and learnt anew.
_MOST_OWNERS = 2 * _MOST_KEYS


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

    def left(self, missing: float) -> int:
        """Return how many requests are left."""
        return max(0, int((self._room - missing) / self._interval))

    def wait(self, missing: float) -> float:
        """Return in how many seconds a refused request would be allowed."""
        return missing - self.policy.window

    def header(self, missing: float) -> str:
        """Return the value of `RateLimit`: what is left, and in how many seconds it will be the whole quota again."""
        return f'"{self.policy.name}";r={self.left(missing)};t={math.ceil(missing)}'


@dataclass(slots=True)
class Charge:
    """What one request has been charged with: the bucket in which least is left, and how that stands."""

    buckets: Buckets
    key: object
    missing: float
    token: int | None  # what the request came with, whoever's it is
    is_proven: bool = False  # whether the database has accepted that token before

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
    nor fill the memory. From then on they count for the token and for its account, so that many tokens are not many
    limits. Tokens are known by Python's keyed hash (SipHash): no token is kept.
    """

    def __init__(self, token: Policy, account: Policy, anonymous: Policy) -> None:
        self._tokens, self._accounts = Buckets(token), Buckets(account)
        self._owners: dict[int, str] = {}  # the account of each token that the database has accepted
        self._addresses = Buckets(anonymous)
        self._sites = Buckets(Policy(anonymous.name, anonymous.quota * _SITE_FACTOR, anonymous.window))

    def charge(self, address: str, token: str | None, now: float) -> Charge:
        """Count a request before anything is done for it."""
        key = None if token is None else hash(token)
        if key is not None and (account := self._owners.get(key)) is not None:
            return self._charge_owner(key, account, now)
        if (site := wider(address)) is not None:
            missing = self._sites.take(site, now)
            if not self._sites.allows(missing):
                return Charge(self._sites, site, missing, key)
        return Charge(self._addresses, address, self._addresses.take(address, now), key)

    def accept(self, charge: Charge, account: str, now: float) -> Charge:
        """Move a charge from the address to its token and account: the database has just accepted that token.

        The address gets nothing back where the account has nothing left: else each token more were a request more.
        """
        if charge.token is None or charge.is_proven:
            return charge
        if len(self._owners) >= _MOST_OWNERS:
            del self._owners[next(iter(self._owners))]
        self._owners[charge.token] = account
        moved = self._charge_owner(charge.token, account, now)
        if not moved.is_refused:
            charge.buckets.give_back(charge.key)
            self._sites.give_back(wider(str(charge.key)))
        return moved

    def refuse(self, charge: Charge) -> None:
        """Forget whose token it was: it has ended. What is sent with it counts against its sender, not its owner."""
        if charge.token is not None:
            self._owners.pop(charge.token, None)

    def _charge_owner(self, token: int, account: str, now: float) -> Charge:
        of_token = self._tokens.take(token, now)
        if not self._tokens.allows(of_token):
            return Charge(self._tokens, token, of_token, token, is_proven=True)
        of_account = self._accounts.take(account, now)
        if not self._accounts.allows(of_account):
            self._tokens.give_back(token)
        elif self._tokens.left(of_token) <= self._accounts.left(of_account):
            return Charge(self._tokens, token, of_token, token, is_proven=True)
        return Charge(self._accounts, account, of_account, token, is_proven=True)
