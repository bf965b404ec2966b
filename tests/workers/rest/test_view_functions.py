"""Views that name no write function: what they do to real models is done by the writer, as by DRF."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.utils import translation
from django.utils.translation import gettext_lazy
from rest_framework.test import APIClient

from tests.answering import Answered
from tests.notebooks import views
from tests.notebooks.models import Line, Note, Notebook, Tag
from workers.models import Receipt
from workers.rest.view_functions import reads_as_it_writes
from workers.stream import keys
from workers.writer.loop import Writer

NOTES, NOTEBOOKS, TAGS = "/api/notes/", "/api/notebooks/", "/api/tags/"


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create(username="ada")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create(username="bob")


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    views.told.clear()


def send(user: User | None, method: str, path: str, body: Any = None, **headers: str) -> Callable[[], Any]:
    """Make a request of this user; header names with underscores."""

    def request() -> Any:
        client = APIClient()
        client.force_authenticate(user)
        named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        return getattr(client, method)(path, body, format="json", **named)

    return request


def note_of(owner: User, **fields: Any) -> Note:
    return Note.objects.create(owner=owner, text=fields.pop("text", "a"), **fields)


def at(note: Note) -> str:
    return f"{NOTES}{note.pk}/"


def test_what_perform_create_adds_is_stored_and_the_response_is_what_get_shows(
    answered: Answered, ada: User
) -> None:
    tags = [Tag.objects.create(name=name).pk for name in ("x", "y")]
    body = {
        "text": "first",
        "tags": tags,
        "took": "1 02:03:04.000005",
        "price": 12.3456,
        "payload": {"a": [1, None, {"b": "c"}], "large": 2**63 - 1},
        "lines": [{"text": "one"}, {"text": "two"}],
    }

    created = answered(send(ada, "post", NOTES, body))
    shown = send(ada, "get", created["Location"])()

    assert created.status_code == 201, created.content
    assert (shown.json(), shown["ETag"]) == (created.json(), created["ETag"])
    note = Note.objects.get()
    assert (note.owner, list(note.tags.values_list("pk", flat=True))) == (ada, tags)
    assert (note.took, note.price) == (
        timedelta(days=1, hours=2, minutes=3, seconds=4, microseconds=5),
        Decimal("12.3456"),
    )
    assert note.payload == body["payload"]
    assert list(Line.objects.values_list("text", flat=True)) == ["one", "two"]
    assert views.told == ["first"]


def test_the_write_is_known_by_the_name_of_its_view(answered: Answered, ada: User) -> None:
    note = note_of(ada)
    answered(send(ada, "post", TAGS, {"name": "x"}))
    answered(send(ada, "patch", at(note), {"text": "b"}))
    answered(send(ada, "delete", at(note)))

    assert list(Receipt.objects.order_by("write_id").values_list("function", "http_status", "key")) == [
        ("tests.notebooks.views:TagViewSet.create", 201, str(Tag.objects.get().pk)),
        ("tests.notebooks.views:NoteViewSet.update", 200, None),
        ("tests.notebooks.views:NoteViewSet.destroy", 204, None),
    ]


@pytest.mark.parametrize("method", ["put", "patch"])
def test_an_update_changes_what_is_sent_relations_and_parts_too(
    answered: Answered, ada: User, method: str
) -> None:
    note = note_of(ada, number=3)
    note.tags.add(Tag.objects.create(name="x"))
    Line.objects.create(note=note, text="old")
    tag = Tag.objects.create(name="y")
    shown = send(ada, "get", at(note))().json()
    change = {"text": "b", "tags": [tag.pk], "lines": [{"text": "new"}]}

    changed = answered(send(ada, method, at(note), (shown if method == "put" else {}) | change))

    assert changed.status_code == 200, changed.content
    again = send(ada, "get", at(note))()
    assert (changed.json(), changed["ETag"]) == (again.json(), again["ETag"])
    assert again.json() == shown | change | {"changed_at": again.json()["changed_at"]}
    assert [again.json()["tags"], again.json()["lines"]] == [[tag.pk], [{"text": "new"}]]


def test_delete_twice_gets_204_then_404(answered: Answered, ada: User) -> None:
    note = note_of(ada)

    first, second = answered(send(ada, "delete", at(note))), answered(send(ada, "delete", at(note)))

    assert (first.status_code, first.content) == (204, b"")
    assert (second.status_code, second.json()["code"]) == (404, "not_found")
    assert second["Write-Id"]
    assert answered(send(ada, "patch", at(note), {"text": "b"})).status_code == 404
    assert send(ada, "patch", f"{NOTES}x/", {"text": "b"})().status_code == 404


@pytest.mark.parametrize("method", ["put", "patch"])
def test_an_update_may_send_the_unique_values_that_the_object_has(
    answered: Answered, ada: User, method: str
) -> None:
    notebook = Notebook.objects.create(owner=ada, title="t", slug="s")
    note = note_of(ada, notebook=notebook, number=1)
    path = f"{NOTEBOOKS}s/"

    of_fields = answered(send(ada, method, path, {"title": "t", "slug": "s"}))
    together = answered(send(ada, method, at(note), {"text": "b", "notebook": notebook.pk, "number": 1}))

    assert (of_fields.status_code, together.status_code) == (200, 200), together.content


def test_the_store_says_which_values_are_taken_by_field(answered: Answered, ada: User, bob: User) -> None:
    first = Notebook.objects.create(owner=ada, title="t", slug="s")
    Notebook.objects.create(owner=ada, title="u", slug="r")
    note_of(ada, notebook=first, number=1)
    other = note_of(ada, notebook=first, number=2)

    slug = answered(send(bob, "post", NOTEBOOKS, {"title": "t", "slug": "s"}))
    title = answered(send(ada, "post", NOTEBOOKS, {"title": "t", "slug": "q"}))
    changed = answered(send(ada, "patch", f"{NOTEBOOKS}r/", {"title": "t"}))
    number = answered(send(ada, "patch", at(other), {"number": 1}))

    for answer in (slug, title, changed, number):
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), answer.content
    assert slug.json()["fields"] == {"slug": ["Notebook with this Slug already exists."]}
    message = ["You have a notebook of this title."]
    assert title.json()["fields"] == changed.json()["fields"] == {"owner": message, "title": message}
    assert set(number.json()["fields"]) == {"notebook", "number"}


def test_of_two_creates_of_one_name_in_one_batch_the_first_wins(
    writer: Writer, answered: Answered, ada: User
) -> None:
    for _ in range(2):
        assert send(ada, "post", TAGS, {"name": "x"}, Prefer="respond-async")().status_code == 202

    writer.drain()

    assert list(Receipt.objects.order_by("write_id").values_list("http_status", flat=True)) == [201, 409]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"notebook": 99}, "notebook"),
        ({"tags": [99]}, "tags"),
        ({"took": "soon"}, "took"),
        ({"price": "1.23456"}, "price"),
        ({"lines": [5]}, "lines"),
        ({"payload": {"a": [2**64]}}, "payload.a.0"),
        ({"nmae": 1}, "nmae"),
    ],
)
def test_what_is_plainly_not_valid_is_refused_before_it_is_handed_over(
    ada: User, clean_redis: Any, change: dict[str, Any], field: str
) -> None:
    note = note_of(ada)

    for answer in (
        send(ada, "post", NOTES, {"text": "a"} | change)(),
        send(ada, "patch", at(note), change)(),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), answer.content
        assert list(answer.json()["fields"]) == [field]
    assert clean_redis.xlen(keys.stream()) == 0


def test_what_is_gone_when_the_write_is_applied_is_told_by_its_field(
    writer: Writer, answered: Answered, ada: User
) -> None:
    tag, note = Tag.objects.create(name="x"), note_of(ada)
    notebook = Notebook.objects.create(owner=ada, title="t", slug="s")
    for change in ({"tags": [tag.pk]}, {"notebook": notebook.pk}):
        send(ada, "patch", at(note), change, Prefer="respond-async")()
    tag.delete()
    notebook.delete()

    writer.drain()

    refused = [receipt.json() for receipt in Receipt.objects.order_by("write_id")]
    assert [(one["code"], list(one["fields"])) for one in refused] == [
        ("invalid", ["tags"]),
        ("invalid", ["notebook"]),
    ]


def test_a_rule_about_the_object_is_checked_on_what_is_stored_when_it_is_applied(
    writer: Writer, answered: Answered, ada: User
) -> None:
    note = note_of(ada)
    accepted = send(ada, "patch", at(note), {"text": "b"}, Prefer="respond-async")()
    Note.objects.update(is_locked=True)

    writer.drain()
    at_once = send(ada, "patch", at(note), {"text": "c"})()
    unlocked = answered(send(ada, "patch", at(note), {"is_locked": False}))

    receipt = Receipt.objects.get(write_id=accepted["Write-Id"])
    assert (receipt.http_status, receipt.json()["fields"]) == (
        400,
        {"non_field_errors": ["This note is locked."]},
    )
    assert (at_once.status_code, at_once.json()["fields"]) == (400, receipt.json()["fields"])
    assert unlocked.status_code == 200


@pytest.mark.parametrize(
    ("text", "status", "code", "told"),
    [
        ("forbidden", 403, "permission_denied", "Not this text."),
        ("nowhere", 404, "not_found", "No such place."),
        ("unclean", 400, "invalid", "The change is not valid."),
        ("broken", 500, "write_failed", None),
    ],
)
def test_what_a_hook_raises_is_the_response(
    answered: Answered, ada: User, text: str, status: int, code: str, told: str | None
) -> None:
    answer = answered(send(ada, "post", NOTES, {"text": text}))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert told is None or answer.json()["detail"] == told
    assert not Note.objects.exists()
    assert views.told == []


def test_a_hook_may_refuse_to_delete_and_a_protected_object_stays(answered: Answered, ada: User) -> None:
    notebook = Notebook.objects.create(owner=ada, title="t", slug="s")
    note = note_of(ada, notebook=notebook, is_locked=True)

    locked = answered(send(ada, "delete", at(note)))
    protected = answered(send(ada, "delete", f"{NOTEBOOKS}s/"))

    assert (locked.status_code, locked.json()["fields"]) == (400, {"is_locked": ["A locked note stays."]})
    assert (protected.status_code, protected.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_object_permissions_hold_for_whoever_writes(
    answered: Answered, ada: User, bob: User, method: str
) -> None:
    note = note_of(ada)

    refused = answered(send(bob, method, at(note), {"text": "mine"}))
    nobody = send(None, method, at(note), {"text": "mine"})()

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert refused.json()["detail"] == "This is not yours."
    assert nobody.status_code == 401
    assert Note.objects.get().text == "a"
    assert answered(send(ada, method, at(note), {"text": "mine"})).status_code in {200, 204}


@pytest.mark.parametrize("headers", [{}, {"If_Match": "*"}, {"If_Match": '"x"'}])
def test_object_permissions_are_judged_on_the_owner_that_is_stored_then(
    writer: Writer, answered: Answered, ada: User, bob: User, headers: dict[str, str]
) -> None:
    note = note_of(ada)
    for method in ("patch", "delete"):
        accepted = send(ada, method, at(note), {"text": "b"}, Prefer="respond-async", **headers)()
        assert accepted.status_code == 202
    Note.objects.update(owner=bob)

    writer.drain()

    assert list(Receipt.objects.values_list("http_status", flat=True)) == [403, 403]


def test_what_a_view_does_not_show_its_user_cannot_be_written(
    answered: Answered, ada: User, bob: User
) -> None:
    Notebook.objects.create(owner=ada, title="t", slug="s")
    path = f"{NOTEBOOKS}s/"

    for method in ("put", "patch", "delete"):
        assert answered(send(bob, method, path, {"title": "u", "slug": "s"})).status_code == 404
    moved = answered(send(ada, "patch", path, {"slug": "new"}))

    assert moved["ETag"] == send(ada, "get", f"{NOTEBOOKS}new/")()["ETag"]
    created = answered(send(bob, "post", NOTEBOOKS, {"title": "t", "slug": "by-slug"}))
    assert created["Location"] == f"{NOTEBOOKS}by-slug/"


def test_of_two_changes_under_one_tag_the_first_wins(writer: Writer, answered: Answered, ada: User) -> None:
    note = note_of(ada)
    tag = send(ada, "get", at(note))()["ETag"]
    for text in ("b", "c"):
        send(ada, "patch", at(note), {"text": text}, If_Match=tag, Prefer="respond-async")()

    writer.drain()
    new = answered(send(ada, "patch", at(note), {"text": "d"}, If_Match="*"))
    last = answered(send(ada, "delete", at(note), If_Match=new["ETag"]))

    assert list(Receipt.objects.order_by("write_id").values_list("http_status", flat=True)[:2]) == [200, 412]
    assert (new.status_code, last.status_code) == (200, 204)


def test_the_repeat_of_a_request_gets_its_response_though_it_would_no_longer_be_valid(
    answered: Answered, ada: User
) -> None:
    note = note_of(ada)
    create = send(ada, "post", TAGS, {"name": "x"}, Idempotency_Key="a")
    lock = send(ada, "patch", at(note), {"is_locked": True, "text": "b"}, Idempotency_Key="b")
    delete = send(ada, "delete", f"{TAGS}1/", Idempotency_Key="c")

    for request in (create, lock, delete):
        first, again = answered(request), request()
        assert (first.status_code, first.content, first["Write-Id"]) == (
            again.status_code,
            again.content,
            again["Write-Id"],
        )
    assert Receipt.objects.count() == 3
    assert send(ada, "patch", at(note), {"is_locked": True})().status_code == 400


def test_an_object_may_be_changed_and_deleted_before_its_creation_is_committed(
    writer: Writer, answered: Answered, ada: User
) -> None:
    former = Tag.objects.create(name="former")
    path = f"{TAGS}{former.pk + 1}/"
    send(ada, "post", TAGS, {"name": "x"}, Prefer="respond-async")()
    send(ada, "patch", path, {"name": "y"}, Prefer="respond-async")()
    send(ada, "delete", path, Prefer="respond-async")()

    writer.drain()

    assert list(Receipt.objects.order_by("write_id").values_list("http_status", flat=True)) == [201, 200, 204]


def test_a_form_arrives_with_all_values_of_a_name(answered: Answered, ada: User) -> None:
    tags = [Tag.objects.create(name=name).pk for name in ("x", "y")]
    client = APIClient()
    client.force_authenticate(ada)

    created = answered(lambda: client.post(NOTES, {"text": "a", "tags": tags}, format="multipart"))

    assert (created.status_code, created.json()["tags"]) == (201, tags), created.content


def test_a_number_with_more_digits_than_a_float_holds_arrives_exactly(answered: Answered, ada: User) -> None:
    client = APIClient()
    client.force_authenticate(ada)
    body = b'{"text": 12345678901234567.89, "price": 0.12340000000000000000}'

    created = answered(lambda: client.post(NOTES, body, content_type="application/json"))

    assert (created.json()["text"], created.json()["price"]) == ("12345678901234567.89", "0.1234")


def test_a_value_that_is_only_read_may_be_sent_back_though_it_could_not_be_handed_over(
    answered: Answered, ada: User
) -> None:
    note = note_of(ada)

    changed = answered(send(ada, "patch", at(note), {"text": "b", "id": 2**70, "owner": [2**70]}))

    assert (changed.status_code, changed.json()["id"]) == (200, note.pk)


def test_a_view_may_read_by_another_serializer_than_it_writes_by(answered: Answered, ada: User) -> None:
    created = answered(send(ada, "post", "/api/two/", {"text": "a", "number": 7}))
    path = created["Location"]
    shown = send(ada, "get", path)()

    assert created.json() == {"id": shown.json()["id"], "text": "a"}
    assert (shown.json()["number"], shown["ETag"]) == (0, created["ETag"])
    changed = answered(send(ada, "patch", path, {"text": "b"}, If_Match=shown["ETag"]))
    assert (changed.status_code, changed["ETag"]) == (200, send(ada, "get", path)()["ETag"])


def test_an_action_with_a_function_of_its_own_is_guarded_by_its_permissions(
    answered: Answered, ada: User, bob: User
) -> None:
    note = note_of(ada)

    refused = answered(send(bob, "post", f"{at(note)}lock/"))
    locked = answered(send(ada, "post", f"{at(note)}lock/"))
    again = answered(send(ada, "post", f"{at(note)}lock/"))
    missing = answered(send(ada, "post", f"{NOTES}99/lock/"))
    open_to_all = answered(send(bob, "post", f"{at(note)}praise/"))

    assert (refused.status_code, refused.json()["detail"]) == (403, "This is not yours.")
    assert (locked.status_code, locked.json()) == (200, {"id": note.pk, "is_locked": True, "by": "ada"})
    assert (again.status_code, again.json()["fields"]) == (400, {"is_locked": ["It is locked already."]})
    assert missing.status_code == 404
    assert (open_to_all.status_code, open_to_all.json()) == (200, {"by": "bob"})


def test_a_file_is_refused_by_its_name_where_the_view_applies_the_write(
    ada: User, clean_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = APIClient()
    client.force_authenticate(ada)
    body = {"text": "a", "paper": SimpleUploadedFile("a.txt", b"a")}

    answer = client.post(NOTES, body, format="multipart")

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert answer.json()["detail"] == "Files cannot be written here: paper."
    assert "Store the file first" in caplog.text


def test_a_file_is_stored_first_and_removed_when_its_write_is_refused(
    answered: Answered, ada: User, tmp_path: Any
) -> None:
    client = APIClient()
    client.force_authenticate(ada)

    def upload(text: str) -> Any:
        body = {"text": text, "paper": SimpleUploadedFile("a.txt", text.encode())}
        return answered(lambda: client.post("/api/papers/", body, format="multipart"))

    with override_settings(MEDIA_ROOT=str(tmp_path)):
        kept, refused = upload("kept"), upload("unclean")
        shown = send(ada, "get", at(Note.objects.get()))()
        with default_storage.open(kept.json()["paper"]) as file:
            content = file.read()

    assert (kept.status_code, refused.status_code) == (201, 400)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (content, shown.json()["paper"]) == (b"kept", "http://testserver/a.txt")


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_write_function_of_an_apps_own_is_guarded_by_the_permissions_of_its_view(
    answered: Answered, ada: User, bob: User, method: str
) -> None:
    note = note_of(ada)
    path = f"/api/own/{note.pk}/"

    refused = answered(send(bob, method, path, {"text": "b"}))
    missing = answered(send(ada, method, "/api/own/99/", {"text": "b"}))
    unmatched = answered(send(ada, method, "/api/own/99/", {"text": "b"}, If_Match="*"))
    done = answered(send(ada, method, path, {"text": "b"}))

    assert [one.status_code for one in (refused, missing, unmatched, done)] == [403, 404, 412, 200]
    assert refused.json()["detail"] == "This is not yours."


def test_a_view_may_say_whether_the_writer_asks_it_for_the_object(
    answered: Answered, ada: User, bob: User
) -> None:
    note = note_of(ada)

    unguarded = answered(send(bob, "patch", f"/api/unguarded/{note.pk}/", {"text": "b"}))
    missing = answered(send(ada, "delete", "/api/guarded-tags/99/"))

    assert (unguarded.status_code, missing.status_code) == (200, 404)


def test_a_view_may_take_many_objects_which_are_written_all_or_none(answered: Answered, ada: User) -> None:
    created = answered(send(ada, "post", "/api/many-tags/", [{"name": "x"}, {"name": "y"}]))
    taken = answered(send(ada, "post", "/api/many-tags/", [{"name": "z"}, {"name": "y"}]))
    invalid = send(ada, "post", "/api/many-tags/", [{"name": "z"}, {}])()
    one = answered(send(ada, "post", "/api/many-tags/", {"name": "z"}))

    assert (created.status_code, [tag["name"] for tag in created.json()]) == (201, ["x", "y"])
    assert [answer.status_code for answer in (taken, invalid, one)] == [409, 400, 201]
    assert list(Tag.objects.order_by("pk").values_list("name", flat=True)) == ["x", "y", "z"]
    assert one["Location"] == f"/api/many-tags/{one.json()['id']}/"
    assert one["ETag"] == send(ada, "get", one["Location"])()["ETag"]


def test_an_object_that_no_path_names_is_found_by_the_view(answered: Answered, ada: User, bob: User) -> None:
    changed = answered(send(ada, "patch", "/api/self/", {"first_name": "Ada"}))

    assert (changed.status_code, changed.json()) == (200, {"username": "ada", "first_name": "Ada"})
    assert send(bob, "get", "/api/self/")().json() == {"username": "bob", "first_name": ""}


def test_names_that_are_not_known_are_refused_by_the_writer_too(
    writer: Writer, answered: Answered, ada: User
) -> None:
    former = Tag.objects.create(name="former")
    send(ada, "post", TAGS, {"name": "x"}, Prefer="respond-async")()
    send(ada, "patch", f"{TAGS}{former.pk + 1}/", {"nmae": "y"}, Prefer="respond-async")()

    writer.drain()

    assert list(Receipt.objects.order_by("write_id").values_list("http_status", flat=True)) == [201, 400]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (views.TagViewSet, True),
        (views.NoteViewSet, True),
        (views.NotebookViewSet, True),
        (views.ManyTagsViewSet, False),
        (views.TwoSerializersViewSet, False),
    ],
)
def test_a_serializer_is_used_again_only_where_get_shows_by_the_same(view: Any, expected: bool) -> None:
    assert reads_as_it_writes(view) is expected


def in_german(request: Callable[[], Any]) -> Callable[[], Any]:
    def ask() -> Any:
        with translation.override("de"):
            return request()

    return ask


def test_what_stands_in_the_way_is_told_in_the_language_of_the_request(
    answered: Answered, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, serializer: Any) -> None:
        raise PermissionDenied(gettext_lazy("Please correct the error below."))

    Tag.objects.create(name="a")
    conflict = answered(in_german(send(ada, "post", TAGS, {"name": "a"})))
    monkeypatch.setattr(views.TagViewSet, "perform_create", refuse)
    refused = answered(in_german(send(ada, "post", TAGS, {"name": "b"})))

    assert (conflict.status_code, conflict.json()["code"]) == (409, "conflict")
    assert "existiert bereits" in conflict.json()["fields"]["name"][0]
    assert refused.status_code == 403
    assert refused.json()["detail"].startswith("Bitte")
