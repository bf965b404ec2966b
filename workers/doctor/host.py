"""The processes of this machine that have the store open, as far as Linux shows them.

The store's own files are never opened here: closing any descriptor of a file drops all the POSIX locks that
the process has on it, SQLite's among them. See https://www.sqlite.org/howtocorrupt.html, section 2.2.
"""

import ipaddress
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from workers.doctor import disk
from workers.doctor.finding import Finding, info, ok, warning
from workers.redis_address import RedisAddress, parse
from workers.service_settings import place
from workers.store import wal

PROC = Path("/proc")

READ_MARKS = range(123, 128)
"""Bytes of the -shm file that SQLite locks for a read transaction, one for each snapshot in use.

See WAL_READ_LOCK in https://www.sqlite.org/walformat.html#wal_locks."""

LONG_READ_SECONDS = 0.3
"""A reader seen twice, so far apart, is worth naming; a web request reads for a millisecond."""

COMMAND_LENGTH = 60

ALWAYS = 1
"""Linux then lets a process of any size fork: what is forked shares its memory until it is written."""


def examine(path: Path) -> Iterator[Finding]:
    """Yield who has the store open, and who reads it for long."""
    yield (
        judge_openers(writers_of(path), sees_all=os.geteuid() == 0)
        if PROC.joinpath("self/fd").exists()
        else info("store.open_by", "Which processes have it open cannot be told on this system.")
    )
    readers = long_readers(Path(f"{path}-shm"))
    yield disk.judge_log(wal.size_bytes(path), describe_readers(readers))
    if readers:
        yield info("store.readers", describe_readers(readers))


def writers_of(path: Path) -> list[int]:
    """Return the other processes that have the file open for writing, as far as they can be looked into."""
    return _processes_with(path, _is_for_writing)


def openers_of(path: Path) -> list[int]:
    """Return the other processes that have the file open, as far as they can be looked into."""
    return _processes_with(path, lambda descriptor: True)


def _processes_with(path: Path, counts: Callable[[Path], bool]) -> list[int]:
    try:
        wanted = path.stat()
    except OSError:
        return []
    found = []
    for process in PROC.iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            try:
                descriptors = list(process.joinpath("fd").iterdir())
            except OSError:  # it has ended, or belongs to somebody else
                continue
            if any(_is_of(descriptor, wanted) and counts(descriptor) for descriptor in descriptors):
                found.append(int(process.name))
    return sorted(found)


def _is_of(descriptor: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), wanted)
    except OSError:  # closed meanwhile
        return False


def _is_for_writing(descriptor: Path) -> bool:
    try:
        information = descriptor.parent.parent.joinpath("fdinfo", descriptor.name).read_text()
    except OSError:
        return False
    flags = next(line.split()[1] for line in information.splitlines() if line.startswith("flags:"))
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def judge_openers(pids: Iterable[int], *, sees_all: bool) -> Finding:
    """Name the processes, so that a person can tell which do not belong to the service."""
    by_command: dict[str, list[int]] = defaultdict(list)
    for pid in pids:
        by_command[command_of(pid)].append(pid)
    groups = "; ".join(f"{command} (pid {', '.join(map(str, some))})" for command, some in by_command.items())
    found = f"Open for writing in {groups}." if groups else "No other process has it open for writing."
    if groups:
        found += " Any program that is not of this service must not write."
    return ok("store.open_by", found + ("" if sees_all else " Only processes of this user can be seen."))


def command_of(pid: int) -> str:
    """Return the process's command line, shortened."""
    try:
        words = PROC.joinpath(str(pid), "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "a process that has ended"
    text = " ".join([Path(os.fsdecode(words[0])).name, *map(os.fsdecode, words[1:])]).strip()
    return text if len(text) <= COMMAND_LENGTH else f"{text[:COMMAND_LENGTH]}..."


def long_readers(shared_memory: Path) -> set[int]:
    """Return the other processes that stay in a read transaction; empty where that cannot be told."""
    first = _readers_now(shared_memory)
    if not first:
        return set()
    time.sleep(LONG_READ_SECONDS)
    return first & _readers_now(shared_memory)


def _readers_now(shared_memory: Path) -> set[int]:
    try:
        return readers_in(PROC.joinpath("locks").read_text(), shared_memory.stat().st_ino) - {os.getpid()}
    except OSError:  # not Linux, or nobody has the store open
        return set()


def readers_in(locks: str, inode: int) -> set[int]:
    """Return the holders of read marks from the text of /proc/locks.

    By inode alone: the device is written differently there for some file systems.
    """
    found = set()
    for line in locks.splitlines():
        words = [word for word in line.split() if word != "->"]  # `->` marks one that waits
        if len(words) < 8 or "->" in line or words[1] != "POSIX" or words[3] != "READ":
            continue
        if words[5].rpartition(":")[2] == str(inode) and int(words[6]) in READ_MARKS:
            found.add(int(words[4]))
    return found


def describe_readers(pids: Iterable[int]) -> str:
    """Name the processes that read for long, as far as they are known."""
    named = "; ".join(f"pid {pid}, {command_of(pid)}" for pid in sorted(pids))
    return f"In a read transaction for more than {LONG_READ_SECONDS:g} s: {named}." if named else ""


def overcommit() -> Iterator[Finding]:
    """Yield how Linux gives memory, which decides whether a Redis on this machine can fork."""
    try:
        value = int(PROC.joinpath("sys/vm/overcommit_memory").read_text())
    except (OSError, ValueError):
        return
    yield judge_overcommit(value, redis_is_here=is_here(parse(place.REDIS_URL)))


def is_here(address: RedisAddress) -> bool:
    """Return whether a Redis is plainly on this machine: behind a socket, or at its own address."""
    if address.path or address.host == "localhost":
        return not address.sentinels
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:  # a name
        return False


def judge_overcommit(value: int, *, redis_is_here: bool) -> Finding:
    """Say whether Redis can fork while memory is short. Behind a name or an address it may be anywhere."""
    name, found = "host.overcommit", f"vm.overcommit_memory={value}"
    if value == ALWAYS:
        return ok(name, f"{found}: Redis can fork to rewrite its log.")
    if not redis_is_here:
        return info(
            name, f"{found}, which does not matter unless Redis is on this machine: it wants {ALWAYS}."
        )
    return warning(
        name,
        f"{found}: when memory is short, Redis may fail to rewrite its log, which then grows until the disk "
        "is full.",
        f"`sysctl vm.overcommit_memory={ALWAYS}`; in /etc/sysctl.d it outlives a restart of the machine.",
    )
