"""Where Redis is: parsed once, strictly, and written again for each library that reads it.

redis-py, Django's cache and kombu parse the same address in three ways. kombu also splits it at `;`, and
Django's cache at `,`. For the database of a socket kombu knows only the option `virtual_host`, and it takes
`rediss://` without options for "do not verify". So the address that each of them gets is made here, from its
components, and every character with a meaning in a URL is quoted: a path, a name or a password then means
only itself.

An address may also name Sentinels, which know where the master is: then it is that of whichever Redis is the
master when somebody connects (docs/redis.md).
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

DEFAULT_PORT, SENTINEL_PORT = 6379, 26379
SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_SENTINEL = "+sentinel"

# A Unix socket's path has room for 104 bytes on macOS and 108 on Linux, its terminating zero included.
_LONGEST_SOCKET_PATH_BYTES = 100

_TLS_DEFAULTS = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
_TLS_CHOICES = {"ssl_cert_reqs": ("required", "optional", "none"), "ssl_check_hostname": ("true", "false")}
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINEL_LOGIN = ("sentinel_username", "sentinel_password")


class InvalidRedisAddress(ValueError):
    """An address of Redis cannot be used. The message begins with a verb and holds no password."""


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """A Redis on a Unix socket (`path`), at a host and port, or the master that `sentinels` know of."""

    path: str = ""
    host: str = "localhost"
    port: int = DEFAULT_PORT
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Mapping[str, str] | None = None
    """The options of TLS by redis-py's names, which kombu uses too; None without TLS. Sentinels' too."""
    sentinels: tuple[tuple[str, int], ...] = ()
    """Host and port of each Sentinel; then `host` and `port` mean nothing."""
    master: str = ""
    """The name by which the Sentinels know the master and its replicas."""
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)

    @classmethod
    def of_socket(cls, path: Path) -> "RedisAddress":
        return cls(path=os.fspath(path))

    @property
    def url(self) -> str:
        """The address as `parse` reads it, and without Sentinels redis-py and Django's cache too."""
        if self.sentinels:
            return self._of_sentinels()
        return self._written(socket_scheme="unix", socket_database="db")

    @property
    def broker_url(self) -> str:
        """The address as kombu reads it; beside it Sentinels need transport options."""
        if self.sentinels:
            options = _query(self.tls or {})
            places = (f"{_host(host)}:{port}/{self.database}{options}" for host, port in self.sentinels)
            return ";".join(f"sentinel://{self._login}{place}" for place in places)
        return self._written(socket_scheme="redis+socket", socket_database="virtual_host")

    @property
    def of_master(self) -> dict[str, Any]:
        """Arguments of redis-py for a connection to the master, host and port left out."""
        login = {"username": self.username, "password": self.password}
        return {"db": self.database} | _given(login) | self._tls_arguments

    @property
    def of_each_sentinel(self) -> dict[str, Any]:
        """Arguments of redis-py for a connection to a Sentinel, host and port left out."""
        login = {"username": self.sentinel_username, "password": self.sentinel_password}
        return _given(login) | self._tls_arguments

    @property
    def _tls_arguments(self) -> dict[str, Any]:
        if self.tls is None:
            return {}
        checks = self.tls["ssl_check_hostname"] == "true"
        return {"ssl": True, **self.tls, "ssl_check_hostname": checks}

    @property
    def _login(self) -> str:
        login = quote(self.username, safe="")
        if self.password:
            login += ":" + quote(self.password, safe="")
        return f"{login}@" if login else ""

    def _of_sentinels(self) -> str:
        login = {"sentinel_username": self.sentinel_username, "sentinel_password": self.sentinel_password}
        scheme = f"{'redis' if self.tls is None else 'rediss'}{_SENTINEL}"
        places = ",".join(f"{_host(host)}:{port}" for host, port in self.sentinels)
        options = _query({**(self.tls or {}), **_given(login)})
        return f"{scheme}://{self._login}{places}/{quote(self.master, safe='')}/{self.database}{options}"

    def _written(self, *, socket_scheme: str, socket_database: str) -> str:
        if self.path:
            return f"{socket_scheme}://{self._login}{quote(self.path)}?{socket_database}={self.database}"
        place = f"{self._login}{_host(self.host)}:{self.port}/{self.database}"
        return f"redis://{place}" if self.tls is None else f"rediss://{place}{_query(self.tls)}"


def _host(host: str) -> str:
    # The percent sign of an IPv6 zone is quoted too: both readers unquote it.
    return f"[{quote(host, safe=':')}]" if ":" in host else quote(host, safe="")


def _query(options: Mapping[str, str]) -> str:
    return f"?{urlencode(options, quote_via=quote)}" if options else ""


def _given(login: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in login.items() if text}


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


def names_sentinels(text: str) -> bool:
    """Say whether a URL is that of Sentinels, which redis-py and Django's cache cannot read."""
    return text.partition("://")[0].endswith(_SENTINEL)


def parse(text: str) -> RedisAddress:
    """Return the address that a URL names. Raises InvalidRedisAddress where readers would guess."""
    try:
        scheme, separator, rest = text.partition("://")
        if scheme not in SCHEMES or not separator:
            raise InvalidRedisAddress(f"does not start with {'://, '.join(SCHEMES)}://.")
        if "#" in text:
            raise InvalidRedisAddress("has a #: write it as %23.")
        return _of_master(scheme, rest) if names_sentinels(text) else _of_server(urlsplit(text))
    except InvalidRedisAddress:
        raise
    except ValueError:  # of urlsplit, of a port, or of bytes that are not UTF-8
        raise InvalidRedisAddress(
            "is not an address. In a name or password write "
            "@ : / ? # [ ] % as %40 %3A %2F %3F %23 %5B %5D %25."
        ) from None


def _of_server(parts: SplitResult) -> RedisAddress:
    options = _options(parts)
    username, password = _plain(parts.username or ""), _plain(parts.password or "")
    if parts.scheme == "unix":
        place = RedisAddress(path=_socket(parts), database=_database("", options))
        _refuse_tls(options)
        return replace(place, username=username, password=password)
    return RedisAddress(
        host=_plain(parts.hostname or "localhost"),
        port=_port(parts, DEFAULT_PORT),
        database=_database(_plain(parts.path), options),
        tls=_tls(options) if parts.scheme == "rediss" else _refuse_tls(options),
        username=username,
        password=password,
    )


def _of_master(scheme: str, rest: str) -> RedisAddress:
    """Return the address of `LOGIN@HOST:PORT,HOST:PORT/MASTER/DATABASE`."""
    end = next((at for at, character in enumerate(rest) if character in "/?"), len(rest))
    login, at, places = rest[:end].rpartition("@")
    each = [urlsplit(f"{scheme}://{login}{at}{place}{rest[end:]}") for place in places.split(",")]
    parts = each[0]
    if not all(one.hostname for one in each):
        raise InvalidRedisAddress(
            "needs the host of each Sentinel: redis+sentinel://HOST:26379,HOST:26379/MASTER."
        )
    options = _options(parts, *_SENTINEL_LOGIN)
    master, _, database = parts.path.lstrip("/").partition("/")
    if not master:
        raise InvalidRedisAddress(
            "needs the name of the master as in sentinel.conf: redis+sentinel://HOST/MASTER."
        )
    sentinel_username, sentinel_password = (options.pop(name, "") for name in _SENTINEL_LOGIN)
    return RedisAddress(
        sentinels=tuple((_plain(one.hostname or ""), _port(one, SENTINEL_PORT)) for one in each),
        master=_plain(master),
        database=_database(_plain(database), options),
        tls=_tls(options) if scheme == f"rediss{_SENTINEL}" else _refuse_tls(options),
        username=_plain(parts.username or ""),
        password=_plain(parts.password or ""),
        sentinel_username=sentinel_username,
        sentinel_password=sentinel_password,
    )


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


def _port(parts: SplitResult, default: int) -> int:
    if parts.port == 0:
        raise InvalidRedisAddress("names port 0; use 1 to 65535.")
    return parts.port or default


def _options(parts: SplitResult, *more: str) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
    options = dict(pairs)
    known = {"db", *more, *_TLS_CHOICES, *_TLS_FILES}
    unknown = sorted(set(options) - known)
    if unknown or len(pairs) != len(options):
        what = f"has the option {unknown[0]!r}" if unknown else "has an option twice"
        raise InvalidRedisAddress(
            f"{what}; known are {', '.join(('db', *more))} and, with TLS (rediss), "
            f"{', '.join(sorted({*_TLS_CHOICES, *_TLS_FILES}))}. "
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
        raise InvalidRedisAddress(f"has {sorted(options)[0]}, which needs TLS: rediss instead of redis.")
    return None
