"""Where Redis is: parsed once, strictly, and written again for each library that reads it.

redis-py, Django's cache and kombu parse the same address in three ways. kombu also splits it at `;`, and
Django's cache at `,`. For the database of a socket kombu knows only the option `virtual_host`, and it takes
`rediss://` without options for "do not verify". So the address that each of them gets is made here, from its
components, and every character with a meaning in a URL is quoted: a path, a name or a password then means
only itself.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

DEFAULT_PORT = 6379
SCHEMES = ("redis", "rediss", "unix")

# A Unix socket's path has room for 104 bytes on macOS and 108 on Linux, its terminating zero included.
_LONGEST_SOCKET_PATH_BYTES = 100

_TLS_DEFAULTS = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
_TLS_CHOICES = {"ssl_cert_reqs": ("required", "optional", "none"), "ssl_check_hostname": ("true", "false")}
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class InvalidRedisAddress(ValueError):
    """An address of Redis cannot be used. The message begins with a verb and holds no password."""


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """A Redis on a Unix socket (`path`), or at a host and port."""

    path: str = ""
    host: str = "localhost"
    port: int = DEFAULT_PORT
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Mapping[str, str] | None = None
    """The options of TLS by redis-py's names, which kombu uses too; None without TLS."""

    @classmethod
    def of_socket(cls, path: Path) -> "RedisAddress":
        return cls(path=os.fspath(path))

    @property
    def url(self) -> str:
        """The address as redis-py and Django's cache read it."""
        return self._written(socket_scheme="unix", socket_database="db")

    @property
    def broker_url(self) -> str:
        """The address as kombu reads it."""
        return self._written(socket_scheme="redis+socket", socket_database="virtual_host")

    def _written(self, *, socket_scheme: str, socket_database: str) -> str:
        login = quote(self.username, safe="")
        if self.password:
            login += ":" + quote(self.password, safe="")
        if login:
            login += "@"
        if self.path:
            return f"{socket_scheme}://{login}{quote(self.path)}?{socket_database}={self.database}"
        # The percent sign of an IPv6 zone is quoted too: both readers unquote it.
        host = f"[{quote(self.host, safe=':')}]" if ":" in self.host else quote(self.host, safe="")
        place = f"{login}{host}:{self.port}/{self.database}"
        if self.tls is None:
            return f"redis://{place}"
        return f"rediss://{place}?{urlencode(self.tls, quote_via=quote)}"


def socket_path(data_dir: Path) -> Path:
    """Return where the embedded Redis of this data listens, the same in every process.

    Below `data_dir`, unless that path is too long for a socket.
    """
    path = data_dir / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    # Not tempfile.gettempdir(): TMPDIR may differ between the shell of `up` and that of another command,
    # and on macOS it is long. `prepare` refuses a directory that belongs to another user.
    return Path("/tmp") / f"redis-{os.getuid()}-{digest}" / "redis.sock"  # noqa: S108


def parse(text: str) -> RedisAddress:
    """Return the address that a URL names. Raises InvalidRedisAddress where readers would guess."""
    try:
        parts = urlsplit(text)
        if parts.scheme not in SCHEMES or "://" not in text:
            raise InvalidRedisAddress(f"does not start with {'://, '.join(SCHEMES)}://.")
        if parts.fragment or "#" in text:
            raise InvalidRedisAddress("has a #: write it as %23.")
        options = _options(parts)
        username, password = _plain(parts.username or ""), _plain(parts.password or "")
        if parts.scheme == "unix":
            place = RedisAddress(path=_socket(parts), database=_database("", options))
            _refuse_tls(options)
            return replace(place, username=username, password=password)
        return RedisAddress(
            host=_plain(parts.hostname or "localhost"),
            port=_port(parts),
            database=_database(_plain(parts.path), options),
            tls=_tls(options) if parts.scheme == "rediss" else _refuse_tls(options),
            username=username,
            password=password,
        )
    except InvalidRedisAddress:
        raise
    except ValueError:  # of urlsplit, of a port, or of bytes that are not UTF-8
        raise InvalidRedisAddress(
            "is not an address. In a name or password write "
            "@ : / ? # [ ] % as %40 %3A %2F %3F %23 %5B %5D %25."
        ) from None


def without_password(text: str) -> str:
    """Return a URL as it may be shown, however wrong it is."""
    scheme, separator, rest = text.partition("://")
    login, at, place = rest.rpartition("@")
    shown = place.partition("?")[0]
    return f"{scheme}{separator}{'***@' if login or at else ''}{shown}"


def _plain(quoted: str) -> str:
    return unquote(quoted, errors="strict")


def _socket(parts: SplitResult) -> str:
    path = _plain(parts.path)
    if parts.netloc.rpartition("@")[2] or not path.strip("/") or not path.startswith("/") or "\0" in path:
        raise InvalidRedisAddress("needs an absolute path: unix:///PATH.")
    return path


def _port(parts: SplitResult) -> int:
    if parts.port == 0:
        raise InvalidRedisAddress("names port 0; use 1 to 65535.")
    return parts.port or DEFAULT_PORT


def _options(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
    options = dict(pairs)
    known = {"db", *_TLS_CHOICES, *_TLS_FILES}
    unknown = sorted(set(options) - known)
    if unknown or len(pairs) != len(options):
        what = f"has the option {unknown[0]!r}" if unknown else "has an option twice"
        raise InvalidRedisAddress(
            f"{what}; known are db and, with rediss://, {', '.join(sorted(known - {'db'}))}. "
            "In a path write ? as %3F."
        )
    return options


def _database(path: str, options: dict[str, str]) -> int:
    named = [text for text in (path.strip("/"), options.pop("db", "")) if text]
    if not named:
        return 0
    if len(named) > 1 or not (named[0].isascii() and named[0].isdecimal()):
        raise InvalidRedisAddress("needs one database number after the host (/0) or as ?db=0.")
    return int(named[0])


def _tls(options: dict[str, str]) -> dict[str, str]:
    for name, choices in _TLS_CHOICES.items():
        if name in options:
            options[name] = options[name].lower()
            if options[name] not in choices:
                raise InvalidRedisAddress(f"has {name}={options[name]!r}; use one of {', '.join(choices)}.")
    return _TLS_DEFAULTS | options


def _refuse_tls(options: dict[str, str]) -> Mapping[str, str] | None:
    if options:
        raise InvalidRedisAddress(f"has {sorted(options)[0]}, which needs rediss://.")
    return None
