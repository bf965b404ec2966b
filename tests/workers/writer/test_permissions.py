"""A write function says which permission it needs, and the writer asks when it commits."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.jottings.models import Jotting
from workers import Result, Write, WriteRejected, principals, registry, submit, write_function
from workers.writer import commit
from workers.writes import Outcome, new_token

pytestmark = pytest.mark.django_db(transaction=True)

_ids = iter(range(1, 1_000_000))
NEEDED = "jottings.add_jotting"


@pytest.fixture(autouse=True)
def functions() -> Iterator[None]:
    """Write functions that need a permission, and one that changes who has it."""
    known = dict(registry._functions)

    @write_function("permitted.add", permission=NEEDED)
    def add(write: Write) -> Result:
        if write.arguments["text"] == "bad":
            raise WriteRejected(422, "bad", "This text is bad.")
        return Result(http_status=201, body={"id": Jotting.objects.create(text=write.arguments["text"]).pk})

    @write_function("permitted.add_in_bulk", permission=NEEDED)
    def add_one(write: Write) -> Result:
        return add(write)

    @add_one.bulk
    def add_many(writes: Sequence[Write]) -> list[Result]:
        made = Jotting.objects.bulk_create(Jotting(text=write.arguments["text"]) for write in writes)
        return [Result(http_status=201, body={"id": one.pk}) for one in made]

    @write_function("permitted.demote")
    def demote(write: Write) -> Result:
        CHANGES[write.arguments["how"]](User.objects.get(username=write.arguments["whom"]))
        if write.arguments.get("fails"):
            raise WriteRejected(409, "changed_my_mind", "Undone.")
        return Result()

    yield
    registry._functions.clear()
    registry._functions.update(known)


def lock_out(user: User) -> None:
    user.is_active = False
    user.save()


def leave_group(user: User) -> None:
    user.groups.clear()


def empty_group(user: User) -> None:
    Group.objects.get().permissions.clear()


def dissolve_group(user: User) -> None:
    Group.objects.get().delete()


def take_away(user: User) -> None:
    user.user_permissions.clear()
    user.groups.clear()


CHANGES: dict[str, Callable[[User], None]] = {
    one.__name__: one for one in (lock_out, leave_group, empty_group, dissolve_group, take_away)
}


@pytest.fixture
def ada() -> User:
    """Has the permission by a group."""
    group = Group.objects.create(name="writers")
    group.permissions.set(Permission.objects.filter(codename="add_jotting"))
    user = User.objects.create_user("ada")
    user.groups.add(group)
    return user


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob")


def by(user: User | None, text: str = "a", function: str = "permitted.add") -> Write:
    return sent(user, function, text=text)


def sent(user: User | None, function: str, **arguments: object) -> Write:
    principal = "" if user is None else str(user.pk)
    return Write(
        function=function,
        arguments=arguments,
        token=new_token(),
        write_id=next(_ids),
        principal=principal,
    )


def statuses(*writes: Write) -> list[int]:
    return [outcome.http_status for outcome in outcomes(*writes)]


def outcomes(*writes: Write) -> list[Outcome]:
    return [outcome for _, outcome in commit.commit_batch(writes)]


def texts() -> list[str]:
    return list(Jotting.objects.order_by("pk").values_list("text", flat=True))


def test_who_lacks_the_permission_is_rejected_alone_and_told_which(ada: User, bob: User) -> None:
    first, refused, last = outcomes(by(ada, "a"), by(bob, "b"), by(ada, "c"))

    assert [first.http_status, refused.http_status, last.http_status] == [201, 403, 201]
    assert refused.json() == {
        "code": "permission_denied",
        "detail": f"Without the permission {NEEDED} this is not committed.",
    }
    assert texts() == ["a", "c"]


def test_in_a_run_that_is_applied_together_too(ada: User, bob: User) -> None:
    writes = [by(user, text, "permitted.add_in_bulk") for user, text in ((ada, "a"), (bob, "b"), (ada, "c"))]

    assert statuses(*writes) == [201, 403, 201]
    assert texts() == ["a", "c"]


def test_a_superuser_may_and_the_program_itself_may(ada: User) -> None:
    root = User.objects.create_superuser("root")

    assert statuses(by(root), by(None)) == [201, 201]


@pytest.mark.parametrize("principal", ["999", "nobody", "x" * 200])
def test_who_is_no_user_may_not(principal: str) -> None:
    write = Write(
        function="permitted.add",
        arguments={"text": "a"},
        token=new_token(),
        write_id=next(_ids),
        principal=principal,
    )

    assert statuses(write) == [403]


def queries_for(writes: list[Write]) -> int:
    with CaptureQueriesContext(connection) as captured:
        commit.commit_batch(writes)
    return sum("auth_" in query["sql"] for query in captured)


def test_a_batch_reads_the_permissions_of_each_user_once(ada: User, bob: User) -> None:
    assert queries_for([by(ada)]) == queries_for([by(ada) for _ in range(50)]) == 3
    assert queries_for([by(user) for user in (ada, bob) * 20]) == 3
    assert queries_for([by(None) for _ in range(5)]) == 0


def test_the_permissions_of_many_are_read_together_and_are_what_django_reads_for_each(ada: User) -> None:
    """By themselves, by groups, both, neither; active or not."""
    groups, permission = Group.objects.all(), Permission.objects.get(codename="add_jotting")
    users = [
        ada,
        User.objects.create_superuser("root"),
        User.objects.create_superuser("gone", is_active=False),
    ]
    for number in range(16):
        user = User.objects.create_user(f"user{number}", is_active=bool(number & 4))
        user.groups.set(groups if number & 1 else [])
        user.user_permissions.set([permission] if number & 2 else [])
        users.append(user)

    writes = [by(user) for user in users]
    expected = [201 if User.objects.get(pk=user.pk).has_perm(NEEDED) else 403 for user in users]

    assert queries_for(writes) == 3
    assert statuses(*writes) == expected
    assert {201, 403} == set(expected)


class OwnBackend(ModelBackend):
    """Gives by other means than the store."""

    def _get_user_permissions(self, user_obj: Any) -> Any:
        return Permission.objects.filter(codename="add_jotting", name__contains="jotting")


def test_a_backend_with_permissions_of_its_own_is_asked(ada: User, bob: User, settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.OwnBackend"]
    principals._permissions_are_django_s.cache_clear()
    try:
        assert statuses(by(ada), by(bob)) == [201, 201]
    finally:
        principals._permissions_are_django_s.cache_clear()


def test_the_next_batch_reads_them_anew(ada: User) -> None:
    assert statuses(by(ada)) == [201]
    Group.objects.get().permissions.clear()
    assert statuses(by(ada)) == [403]


@pytest.mark.parametrize("how", CHANGES)
def test_a_change_by_a_write_of_the_same_batch_counts_for_those_after_it(ada: User, how: str) -> None:
    before, change, after = by(ada, "before"), sent(None, "permitted.demote", how=how, whom="ada"), by(ada)

    assert statuses(before, change, after) == [201, 200, 403]
    assert texts() == ["before"]


def test_a_change_that_was_undone_counts_for_nobody(ada: User) -> None:
    change = sent(None, "permitted.demote", how="take_away", whom="ada", fails=True)

    assert statuses(by(ada), change, by(ada)) == [201, 409, 201]


def test_a_rejected_write_is_so_in_a_batch_that_is_applied_again(ada: User, bob: User) -> None:
    writes = [by(ada, "a"), by(bob, "b"), by(ada, "bad"), by(ada, "c")]

    assert statuses(*writes) == statuses(*writes) == [201, 403, 422, 201]  # the second time by receipts
    assert texts() == ["a", "c"]


def test_a_permission_may_follow_from_the_arguments(ada: User) -> None:
    @write_function("permitted.by_arguments", permission=lambda write: {write.arguments["needs"]})
    def add(write: Write) -> Result:
        return Result()

    writes = [sent(ada, "permitted.by_arguments", needs=one) for one in (NEEDED, "jottings.delete_jotting")]

    assert statuses(*writes) == [200, 403]


@pytest.mark.usefixtures("writes_at_once")
def test_a_program_hands_over_in_the_name_of_a_user(ada: User, bob: User) -> None:
    for user, status in ((ada, 201), (bob, 403)):
        outcome = submit("permitted.add", {"text": "a"}, principal=str(user.pk)).wait(0)
        assert outcome is not None
        assert outcome.http_status == status
