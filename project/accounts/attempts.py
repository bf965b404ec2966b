"""How often passwords may be tried, counted in Redis for all processes together, and before any is hashed.

An attempt counts for its address, for its name, and for the name at that address, from its start: attempts at
the same instant cannot slip through, as they can where only failures are counted afterwards (django-axes, the
throttles of DRF). One that succeeds is taken back, and forgives the earlier ones of its name at its address.

| counted | limit in each window | beyond it |
|---|---|---|
| the name at the address | LOGIN_ATTEMPTS | refused |
| the address | 5 times as many | refused |
| the name, at all addresses | 10 times as many | one for each address: its owner is not locked out |

Without Redis attempts are refused, as the session of a login could not be kept either.
"""

import hashlib
import ipaddress
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from project.accounts import passwords
from workers.rest import ProblemError

logger = logging.getLogger(__name__)

PER_ADDRESS, PER_NAME = 5, 10
"""How many times LOGIN_ATTEMPTS an address may try, and a name be tried."""


class Attempt:
    """One attempt to show a password."""

    def __init__(self, name: str, address: str) -> None:
        """Raise ProblemError, 429 or 503, when no further attempt may be made. Nothing is counted yet."""
        seconds = settings.LOGIN_WINDOW_SECONDS
        now = time.time()
        self._seconds_left = int(seconds - now % seconds) + 1
        window = f"login-attempts:{int(now // seconds)}"
        name = name.casefold()
        self._name = f"{window}:name:{_digest(name)}"
        self._address = f"{window}:address:{_digest(address)}"
        self._pair = f"{window}:pair:{_digest(name, address)}"
        self._who = name[:150], address
        try:
            counted = cache.get_many(self._keys)
        except RedisError as exc:
            raise _unavailable(exc) from exc
        self._refuse_beyond({key: counted.get(key, 0) + 1 for key in self._keys})

    @property
    def _keys(self) -> tuple[str, ...]:
        return self._name, self._address, self._pair

    def count(self) -> None:
        """Count it. Raises ProblemError when others were quicker, or without Redis."""
        try:
            counts = {key: _add_one(key) for key in self._keys}
        except RedisError as exc:
            raise _unavailable(exc) from exc
        self._refuse_beyond(counts)

    def take_back(self) -> None:
        """Have it not count, because nothing was tried."""
        self._subtract(self._keys)

    def succeed(self) -> None:
        """Take it back, and forgive the earlier ones of this name at this address."""
        self._subtract([self._name, self._address])
        with suppress(RedisError):
            cache.delete(self._pair)

    def _refuse_beyond(self, counts: Mapping[str, int]) -> None:
        most = settings.LOGIN_ATTEMPTS
        if counts[self._name] > most * PER_NAME:
            most = 1
        if counts[self._pair] <= most and counts[self._address] <= settings.LOGIN_ATTEMPTS * PER_ADDRESS:
            return
        logger.info("login name=%r address=%s state=refused", *self._who)
        detail = f"Too many attempts to log in. Try again in {self._seconds_left} seconds."
        raise ProblemError(429, "too_many_attempts", detail, headers={"Retry-After": str(self._seconds_left)})

    @staticmethod
    def _subtract(keys: Any) -> None:
        for key in keys:
            with suppress(RedisError, ValueError):
                cache.decr(key)


class _Uncounted:
    """An attempt of this process itself."""

    def succeed(self) -> None:
        pass


@contextmanager
def counted(name: str, address: str | None) -> Iterator[Any]:
    """Count an attempt, in the block; without an address it is not counted. Raises ProblemError.

    Refused first of all is who has tried too often, and then, before anything is kept in Redis, who would
    have to wait in vain for a hash: so guesses fill it no faster than they can be hashed.
    """
    if address is None:
        yield _Uncounted()
        return
    attempt = Attempt(name, address)
    passwords.refuse_when_busy()
    attempt.count()
    try:
        yield attempt
    except ProblemError:
        attempt.take_back()
        raise


def address_of(request: Any) -> str:
    """Return the client's address; of an IPv6 address the network, all of which one client has."""
    text = _peer(request)
    address = _parsed(text)
    if address is None:
        return text[:50]
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), 64), strict=False))


def is_from(request: Any, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    """Return whether the client's address is in one of the networks, as far as it can be known.

    One that came through a proxy that PROXIES does not count has an unknown address: it has the proxy's.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR") or request.META.get("HTTP_FORWARDED")
    if forwarded and not settings.PROXIES:
        return False
    address = _parsed(_peer(request))
    return address is not None and any(address in network for network in networks)


def _peer(request: Any) -> str:
    """Return who called, as a text.

    A proxy appends the address it was called from to X-Forwarded-For; what stands before that, anybody
    may have written.
    """
    text: str = request.META.get("REMOTE_ADDR", "")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").replace(",", " ").split()
    if 0 < settings.PROXIES <= len(forwarded):
        text = forwarded[-settings.PROXIES]
    return text


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _add_one(key: str) -> int:
    # Longer than the window, so that no counter ends between the two.
    cache.add(key, 0, timeout=2 * settings.LOGIN_WINDOW_SECONDS)
    return int(cache.incr(key))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]


def _unavailable(exc: RedisError) -> ProblemError:
    logger.warning("login state=attempts-not-counted error=%s", exc)
    detail = "Nobody can log in now: attempts cannot be counted without Redis."
    return ProblemError(503, "logins_unavailable", detail, headers={"Retry-After": "5"})
