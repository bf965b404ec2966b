"""Any mix of writes, good and bad, as hypothesis strategies: what a batch may find in the stream.

Ids, versions, names and texts are few, so that writes meet each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from workers.stream.conditions import BY, CONDITION
from workers.writes import Write, decode, encode, new_token

FIRST_WRITE_ID = 100
LAST_ITEM = 5
"""Ids of items that writes name reach a little beyond those which are there at the start."""

ROOT, NOBODY = "1", "2"
"""The primary keys of a superuser, and of a user without permissions."""

Call = tuple[str, dict[str, Any]]
"""A write function's name and arguments."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Writes in the order of the stream, and the store that they meet."""

    versions: Sequence[int]
    """Of the items at the start, whose ids begin at 1."""
    gone: int
    """How many of the newest items were deleted again."""
    writes: Sequence[Write]
    cuts: Sequence[int]
    """Where the stream may be cut into batches."""
    deadly: frozenset[Any]
    """Tokens of writes that are to be set aside."""


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Return one of the strategies, each as often as its weight says; `one_of` drops what is given twice."""
    return st.sampled_from([choice for weight, choice in choices for _ in range(weight)]).flatmap(
        lambda choice: choice
    )


ids = st.integers(1, LAST_ITEM)
# Names that differ: a mistake in the order of equal ones would not show.
good_data = st.fixed_dictionaries({"name": st.text("abcdefgh\u00e9", min_size=1, max_size=3)})
# The store refuses the first one with an IntegrityError; the second is a fault of the function.
bad_data = st.sampled_from([{"name": None}, {}])
data = weighted((15, good_data), (1, bad_data))
many = st.lists(data, max_size=4)
texts = st.fixed_dictionaries({"text": st.sampled_from("ab")})
tags = st.builds('"{}-{}"'.format, ids, st.integers(1, 3))
conditions = st.none() | st.builds(
    lambda pk, tags: {
        **{BY: "items.views:ItemViewSet", "kwargs": {"pk": pk}, "basename": "item", "principal": ""},
        **{"match": tags, "none_match": None, "unmodified_since": None, "language": "en", "timezone": "UTC"},
        "environ": {"HTTP_HOST": "localhost", "wsgi.url_scheme": "http", "PATH_INFO": f"/api/items/{pk}/"},
    },
    ids,
    st.just(["*"]) | st.lists(tags, min_size=1, max_size=3),
)
refusals = st.builds(
    lambda positions: [[position, {"name": ["No."]}] for position in sorted(positions)],
    st.sets(st.integers(0, 3), max_size=2),
)


def of(function: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    return st.tuples(st.just(function), st.fixed_dictionaries(arguments))


def under_conditions(call: st.SearchStrategy[Call]) -> st.SearchStrategy[Call]:
    """Return the same calls, some of them with a condition on an item, maybe another one."""
    return st.builds(
        lambda one, condition: (one[0], one[1] | ({CONDITION: condition} if condition else {})),
        call,
        conditions,
    )


@st.composite
def operations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return the operations of a transaction; refs are of earlier creates, as the request's check has it."""
    found: list[dict[str, Any]] = []
    refs: list[str] = []
    for op in draw(st.lists(st.sampled_from(["create", "update", "delete"]), min_size=1, max_size=4)):
        if op == "create":
            refs.append(f"r{len(refs)}")
            found.append({"op": op, "ref": refs[-1], "data": draw(data)})
            continue
        target = draw(ids | st.sampled_from(refs) if refs else ids)
        version = draw(st.none() | st.integers(1, 3))
        operation: dict[str, Any] = {"op": op, "id": {"ref": target} if isinstance(target, str) else target}
        operation |= {"version": version} | ({"data": draw(good_data)} if op == "update" else {})
        found.append(operation)
    return found


WITH_BULK_FORM = (
    of("items.create", data=data),
    of("jottings.add_in_bulk", text=st.sampled_from(["a", "b", "c", "bad"])),
    of("jottings.bulk_returns_too_few", text=st.sampled_from("ab")),
    of("jottings.add_topic_in_bulk", name=st.sampled_from("abcd")),
)
OF_ITEMS = (
    under_conditions(of("items.update", id=ids, data=good_data)),
    under_conditions(of("items.delete", id=ids)),
    under_conditions(of("items.create", data=data)),  # one that has a bulk form
    of("items.create_many", atomic=st.booleans(), data=many, refused=refusals),
    of("items.transact", operations=operations()),
)
OTHERS = (
    of("jottings.add", data=texts),
    of("jottings.add_topic", name=st.sampled_from("ab")),
    of("jottings.add_to_missing_topic"),
    of("jottings.add_then_reject", text=st.just("x")),
    of("jottings.add_then_raise", text=st.just("x")),
    of("jottings.add_then_return_no_json", text=st.just("x")),
    of("jottings.catch_conflict"),
    of("jottings.reject_lazily"),
    of("jottings.raise_surrogates"),
    of("jottings.unheard_of"),
    of("items.update"),  # as another version would send it
)
# Runs that take the fast path, writes that meet each other's items, everything else.
runs = weighted(
    *((6, st.lists(call, min_size=2, max_size=4)) for call in WITH_BULK_FORM),
    *((4, st.lists(call, min_size=1, max_size=3)) for call in OF_ITEMS),
    *((1, st.lists(call, min_size=1, max_size=2)) for call in OTHERS),
)


@st.composite
def mixes(draw: st.DrawFn) -> Mix:
    versions = draw(st.lists(st.integers(1, 2), max_size=3))
    calls = [call for run in draw(st.lists(runs, min_size=1, max_size=5)) for call in run]
    writes: list[Write] = []
    for call in calls:
        writes.append(as_read(draw(_write(call, writes))))
    numbers = st.integers(0, len(writes) - 1)
    deadly = draw(weighted((3, st.just(set())), (1, st.sets(numbers, max_size=2))))
    return Mix(
        versions=versions,
        gone=draw(st.integers(0, len(versions))),
        writes=writes,
        cuts=sorted(draw(st.sets(numbers, max_size=4))),
        deadly=frozenset(writes[number].token for number in deadly),
    )


@st.composite
def _write(draw: st.DrawFn, call: Call, earlier: Sequence[Write]) -> Write:
    """Return a write of this call, or one that was sent already, or one that reuses a token."""
    number = len(earlier)
    function, arguments = call
    new = Write(
        function=function,
        arguments=arguments,
        token=new_token(),
        principal=draw(st.sampled_from(["", ROOT, NOBODY])),
        fingerprint=draw(st.sampled_from([None, "f1", "f2"])),
        reply_to=f"process:{number}",
        write_id=FIRST_WRITE_ID + number,
        retry_of=draw(st.sampled_from([None, None, 7])),
    )
    kind = draw(st.sampled_from(["new"] * 12 + ["joined", "reused", "read again", "id again"]))
    if kind == "new" or not earlier:
        return new
    other = draw(st.sampled_from(earlier))
    match kind:
        case "joined":
            return replace(other, write_id=new.write_id, reply_to=new.reply_to)
        case "reused":
            return replace(new, token=other.token, fingerprint="another")
        case "read again":
            return other
        case _:  # Redis was emptied and its clock set back
            return replace(new, write_id=other.write_id)


def as_read(write: Write) -> Write:
    """Return the write as the writer reads it: passed through the stream."""
    return decode(write.write_id, encode(write))
