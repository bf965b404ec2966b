"""What this service reads from environment variables beyond what `workers.environment` can."""

import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from workers.conf import FORMER_NAMES, GONE_NAMES, Setting, T
from workers.environment import (
    InvalidEnvironment,
    boolean,
    choice,
    cores,
    given,
    host,
    integer,
    is_host,
    path,
    redis,
    text,
)

__all__ = [
    "InvalidEnvironment",
    "Rate",
    "allowed_hosts",
    "boolean",
    "choice",
    "content_of",
    "cores",
    "host",
    "integer",
    "names",
    "networks",
    "own_names",
    "path",
    "rate",
    "read",
    "redis",
    "refuse_retired",
    "text",
]


def names(name: str, default: Sequence[str]) -> list[str]:
    """Return the comma-separated names, without blanks."""
    raw = given(name)
    if raw is None:
        return list(default)
    found = [part.strip() for part in raw.split(",") if part.strip()]
    if not found:
        raise InvalidEnvironment(f"{name}={raw!r} names nothing; unset it, or give names between commas.")
    return found


def allowed_hosts(name: str, default: Sequence[str]) -> list[str]:
    """Return host names as Django matches them; `.example.org` is a domain with all below it, `*` all."""
    found = names(name, default)
    for one in found:
        if one != "*" and not is_host(one.removeprefix("."), brackets=True):
            raise InvalidEnvironment(
                f"{name}: {one!r} is no host name, so no request would match it; give names or addresses "
                "without scheme and port, IPv6 in brackets."
            )
    return found


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return the comma-separated addresses and networks, such as `127.0.0.1,10.0.0.0/8`; none when unset."""
    found = []
    for one in names(name, []):
        try:
            found.append(ipaddress.ip_network(one))
        except ValueError as exc:
            text = f"{name}={given(name)!r}: {exc}; give addresses or networks between commas."
            raise InvalidEnvironment(text) from None
    return found


def own_names(host: str) -> list[str]:
    """Return the host names under which a service that listens there is reached from its own machine."""
    local = ["localhost", "127.0.0.1", "[::1]"]
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  # not bound to: what all addresses are is not known
        return local
    own = f"[{host}]" if ":" in host else host.lower()
    return local if own in local else [*local, own]


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: int


UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3_600, "hour": 3_600, "d": 86_400, "day": 86_400}
"""As DRF names them."""


def rate(name: str) -> Rate | None:
    """Return a rate such as `600/min`; None for none."""
    raw = given(name)
    if raw is None:
        return None
    found = re.fullmatch(rf"([1-9]\d{{0,6}})/({'|'.join(UNITS)})", raw, re.ASCII)
    if found is None:
        raise InvalidEnvironment(
            f"{name}={raw!r} is no rate; use a number of requests up to 9999999 and a unit, such as 600/min "
            f"({', '.join(UNITS)})."
        )
    return Rate(int(found[1]), UNITS[found[2]])


def content_of(name: str) -> str:
    """Return what the file holds that the variable names, such as a container's secret; empty when unset."""
    raw = given(name)
    if raw is None:
        return ""
    try:
        content = Path(raw).read_text().strip()
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise InvalidEnvironment(f"{name}={raw!r} cannot be read: {reason}.") from None
    if not content:
        raise InvalidEnvironment(f"{name}={raw!r} is empty.")
    return content


def refuse_retired() -> None:
    """Raise InvalidEnvironment for a variable that has another name now, or none."""
    for former, name in FORMER_NAMES.items():
        if os.environ.get(former):
            raise InvalidEnvironment(f"{former} is called {name} now: set that instead.")
    for name, reason in GONE_NAMES.items():
        if os.environ.get(name):
            raise InvalidEnvironment(f"{name} is no setting any more, because {reason}: do not set it.")


def read(setting: Setting[T]) -> T:
    """Read one setting of the write path. Raises InvalidEnvironment."""
    return setting.from_environment()
