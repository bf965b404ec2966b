"""Whose stream it is: the writes in it are for one store, and no other store's writer may commit them.

Two services that share Redis by mistake, a test database, a copy of the store: each has keys of the same
names. The stream therefore names its owner. A submission for another store is refused by `append.lua`, a
writer of another store by `claim.lua`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from workers.exceptions import LeaseLost, StoreNotReady, StreamOfAnotherStore
from workers.store import identity, store_file
from workers.store.identity import StoreId
from workers.stream import heartbeat, keys, redis_stream
from workers.stream.scripts import source


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The store whose writes a stream holds."""

    store: str
    """Its `StoreId`, as a text."""
    path: str
    """Where its owner had it, empty when only a web process has named it yet."""
    host: str
    moved_from: str = ""
    """The stores that it was before `move_store`, with blanks between: none is the store again."""

    @property
    def identity(self) -> str:
        return self.store.partition(":")[0]

    def is_in_place(self) -> bool:
        """Return whether that file can be seen from here, still where it was."""
        file = store_file.file_text(Path(self.path)) if self.path else None
        return file is not None and self.store == f"{self.identity}:{file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """This process's store, where it is."""

    store: StoreId
    path: str
    host: str


def may_replace(owner: Owner, here: Here) -> tuple[bool, bool]:
    """Return whether this store may take the stream while no writer is at work, and whether only if empty.

    A store that was moved, or restored from a copy, goes on where it was. A copy does not while the original
    is in its place. A store with another identity may have the stream once nothing waits in it. A store whose
    content was moved to another database may not: what was committed there since is not in it.
    """
    if str(here.store) in owner.moved_from.split():
        return False, False
    if owner.identity != here.store.identity:
        return True, True
    if owner.path == here.path:
        return True, False
    if owner.is_in_place():
        return False, False
    # On another host, or a server, nobody here can see whether the original is still in its place.
    return True, owner.host != here.host or not owner.host


def owner(client: redis.Redis) -> Owner | None:
    """Return whose stream it is, or None when it is nobody's yet. Raises redis.RedisError."""
    store, path, host, moved_from = client.hmget(keys.owner(), ["store", "path", "host", "moved_from"])
    if store is None:
        return None
    return Owner(store=_text(store), path=_text(path), host=_text(host), moved_from=_text(moved_from))


LATER = -1
"""What claim.lua says of a later epoch."""


def last_epoch(client: redis.Redis) -> int:
    """Return the epoch of the writer that had the stream last, 0 where leases have none."""
    return int(client.hget(keys.owner(), "epoch") or 0)


def claim(client: redis.Redis, *, by_order: bool = False) -> None:
    """Make the stream this store's, with a consumer group for its writer. To be called by the lease's holder.

    `by_order` takes it from any store whose writer is not at work, with all that waits in it.
    Raises StreamOfAnotherStore when it may not be, LeaseLost when a later writer has it, StoreNotReady, and
    redis.RedisError.
    """
    here = _here()
    former = owner(client)
    may, only_empty = (True, False)
    if former is not None and former.store != str(here.store) and not by_order:
        may, only_empty = may_replace(former, here)
    replaced = former.store if former is not None and may else ""
    _take(client, here, replaced, only_empty=only_empty, epoch=redis_stream.epoch())


def hand_over(client: redis.Redis, to: Here) -> None:
    """Make the stream, with all that waits in it, that of the store to which this one's content was copied.

    To be called by the lease's holder, after `claim`: from then on no writer of this store can commit what
    waits, and this store cannot have the stream back but by order. Raises StreamOfAnotherStore, LeaseLost
    and redis.RedisError.
    """
    former = owner(client)
    own = str(identity.current())
    if former is None or former.store != own:
        raise StreamOfAnotherStore(describe(client))
    before = [store for store in former.moved_from.split() if store not in {own, str(to.store)}]
    # A lease in a file has no epochs; one on a server begins after the last that Redis knows.
    epoch = 0 if to.host else max(last_epoch(client), redis_stream.epoch())
    _take(client, to, own, only_empty=False, epoch=epoch, moved_from=" ".join([*before, own]))


def _take(
    client: redis.Redis, here: Here, replaced: str, *, only_empty: bool, epoch: int, moved_from: str = ""
) -> None:
    script = client.register_script(source("claim.lua"))
    taken = script(
        keys=[keys.owner(), keys.stream(), keys.heartbeat()],
        args=[
            str(here.store),
            here.path,
            here.host,
            redis_stream.group_of(str(here.store), epoch),
            replaced,
            "1" if only_empty else "0",
            str(epoch),
            moved_from,
        ],
    )
    if taken == LATER:
        raise LeaseLost
    if not taken:
        raise StreamOfAnotherStore(describe(client))


def is_of_another_store(client: redis.Redis) -> bool:
    """Return whether the stream is that of another store. Raises redis.RedisError and StoreNotReady."""
    found = owner(client)
    return found is not None and found.store != str(identity.current())


def is_known_to_be_anothers(client: redis.Redis) -> bool:
    """Return the same, and False while it is not known whose store this is. Raises redis.RedisError."""
    try:
        return is_of_another_store(client)
    except StoreNotReady:
        return False


def refuse_another_stores(client: redis.Redis) -> None:
    """Raise StreamOfAnotherStore when what is asked of the stream's writer would reach another store's.

    A store that was put in the owner's place, or moved, goes on with its stream: its operator may ask.
    Raises StoreNotReady when it is not known whose store this is, and redis.RedisError.
    """
    found = owner(client)
    if found is None or (found.path, found.host) == store_file.place():
        return
    if found.store != str(identity.current()) and not (
        found.identity == identity.current().identity and may_replace(found, _here())[0]
    ):
        raise StreamOfAnotherStore(describe(client))


def describe(client: redis.Redis) -> str:
    """Return whose stream it is and what to do, for operators. Raises redis.RedisError."""
    found = owner(client)
    where = f"at {found.path} on {found.host}" if found and found.path else "at a place that is not known"
    waiting = redis_stream.length(client)
    at_work = "its writer is at work" if heartbeat.read(client) else "its writer is not at work"
    whose = "another file of this store" if _is_a_copy(found) else "another store"
    if found is not None and str(identity.current()) in found.moved_from.split():
        return (
            f"This store was moved {where} by `manage.py move_store`: {at_work}, {waiting} accepted writes "
            "wait for it. Set DATABASE_URL, or DATABASES, to that database and restart the service. To go on "
            "with this store all the same, without what was committed there, run `manage.py adopt_stream`."
        )
    return (
        f"The stream {keys.stream()} in Redis belongs to {whose}, {where}: {at_work}, {waiting} "
        "accepted writes wait for it. Nothing of it was touched. Give this service a REDIS_URL or a "
        "WRITE_KEY_PREFIX of its own. If this store is to go on in the other one's place, stop that writer "
        "and run `manage.py adopt_stream`."
    )


def _is_a_copy(owner: Owner | None) -> bool:
    return owner is not None and owner.identity == identity.current().identity


def _here() -> Here:
    path, host = store_file.place()
    return Here(store=identity.current(), path=path, host=host)


def _text(value: Any) -> str:
    text: str = (value or b"").decode(errors="replace")
    return text
