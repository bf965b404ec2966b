"""The form of log lines, and the ids by which those of a request and of its write find each other."""

import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest
import redis
from django.test import Client, override_settings

from workers import submit
from workers.in_hand import Request, in_hand
from workers.logs import JsonLines, TextLines
from workers.writer.loop import Writer
from workers.writer.worker.bootsteps import _leave_level_to_project
from workers.writes import Write, decode, encode, new_token


@pytest.fixture
def served() -> Iterator[None]:
    """A request is being served."""
    token = in_hand.set(Request("req-7"))
    yield
    in_hand.reset(token)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[logging.Formatter], list[str]]:
    """Gives the lines that a handler with this formatter writes, as they are logged."""
    written: list[str] = []

    def begin(formatter: logging.Formatter) -> list[str]:
        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                written.append(self.format(record))

        handler = Handler()
        handler.setFormatter(formatter)
        caplog.handler.addFilter(lambda record: bool(handler.handle(record)) or True)
        return written

    return begin


def record(message: object, *args: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("workers.writer", logging.ERROR, __file__, 1, message, args, None)
    vars(made).update(more)
    return made


def test_a_json_line_has_what_programs_look_for() -> None:
    line = JsonLines().format(record("write=%s state=failed function=%s", 17, "a.b"))

    found = json.loads(line)
    assert "\n" not in line
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}\+00:00", found.pop("time"))
    assert found.pop("process") > 0
    assert found == {
        "level": "ERROR",
        "logger": "workers.writer",
        "message": "write=17 state=failed function=a.b",
        "write": "17",
        "state": "failed",
    }


def test_a_traceback_and_what_no_line_may_hold_stay_in_one_json_line(served: None) -> None:
    try:
        raise ValueError("first\nsecond \ud800")
    except ValueError as exc:
        made = record("what: %s", "line\nbreak", exc_info=(type(exc), exc, exc.__traceback__))

    line = JsonLines().format(made)

    found = json.loads(line)
    assert "\n" not in line
    assert found["message"] == r'what: "line\nbreak"'
    assert found["error"].startswith("Traceback")
    assert found["request"] == "req-7"


def test_a_text_line_names_the_request_before_the_traceback_no_line_of_which_begins_as_one(
    served: None,
) -> None:
    try:
        raise ValueError("a\n2026-11-28 10:00:00,000 ERROR workers.writer write=1 state=failed\rb")
    except ValueError as exc:
        made = record("oh", exc_info=(type(exc), exc, exc.__traceback__))

    first, *rest = re.split(r"[\r\n]", TextLines().format(made))
    assert first.endswith(" ERROR workers.writer oh request=req-7")
    assert all(line.startswith("  ") for line in rest)


def test_the_stack_that_a_line_asks_for_is_in_both_forms() -> None:
    made = record("oh", stack_info="Stack (most recent call last):\n  File x")

    assert json.loads(JsonLines().format(made))["stack"] == made.stack_info
    assert TextLines().format(made).splitlines()[1:] == ["  Stack (most recent call last):", "    File x"]


def test_no_template_costs_the_line() -> None:
    made = record("odd \0007\0 %s state=%s", "a", "b")

    assert "odd" in json.loads(JsonLines().format(made))["message"]


FORGED = "/x request=spoof write=77 state=failed\nstate=failed\u2028write=77"


def foreign(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("django.request", logging.WARNING, __file__, 1, message, args, None)


@pytest.mark.parametrize(
    "made",
    [
        foreign("Not Found: %s", FORGED),
        foreign("%(reason)s: %(path)r", {"reason": "Not Found", "path": FORGED}),
        foreign(f"Not Found: {FORGED}"),
        foreign(f"{FORGED}: %s", 1),
        foreign("%s: %*d", FORGED, 5, 1),
        foreign("write=%s state=%s", 77, "failed"),
        record("request path=%s", FORGED),
        record("request path=%r", FORGED),
        record("request error=%r", ValueError(FORGED)),
        record("said %s", FORGED),
        record(ValueError(FORGED)),
    ],
    ids=lambda made: f"{made.name}: {made.msg!s:.20}",
)
def test_no_value_adds_a_figure_or_a_line(served: None, made: logging.LogRecord) -> None:
    figure = re.compile(r"""(?:^|[\s"'])(\w+)=(\S+)""")

    text, found = TextLines().format(made), json.loads(JsonLines().format(made))

    assert len(text.splitlines()) == 1
    assert found["request"] == "req-7"
    assert not found.keys() & {"write", "state"}
    named = dict(figure.findall(text))
    assert named.pop("request") == "req-7"
    if made.msg != "write=%s state=%s":  # whose template it is
        assert not named.keys() & {"write", "state"}
        assert not dict(figure.findall(found["message"])).keys() & {"request", "write", "state"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/items/", "/items/"),
        ("/a b", '"/a b"'),
        ("/a=b", r'"/a\u003db"'),
        ('"', r'"\""'),
        ("", '""'),
        ("\x1b[31m", r'"\u001b[31m"'),
    ],
)
@pytest.mark.parametrize("template", ["path=%s write=%s", "path=%r write=%s"])
def test_a_value_that_would_not_end_where_it_does_stands_in_quotes(
    template: str, value: str, shown: str
) -> None:
    made = record(template, value, 5)

    found = json.loads(JsonLines().format(made))

    assert TextLines().format(made).endswith(f" path={shown} write=5")
    assert (found["message"], found["write"]) == (f"path={shown} write=5", "5")
    assert "=" not in shown
    assert shown == value or json.loads(shown) == value


@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()])
def test_a_path_of_a_client_forges_no_figure(
    client: Client, lines: Callable[..., list[str]], formatter: logging.Formatter
) -> None:
    written = lines(formatter)

    client.get("/x%20request=spoof%20write=77%20state=failed", headers={"X-Request-ID": "mine"})

    [line] = written
    assert "request=spoof" not in line
    assert "write=77" not in line
    if isinstance(formatter, TextLines):
        assert line.endswith(" request=mine")
    else:
        found = json.loads(line)
        assert found["request"] == "mine"
        assert not found.keys() & {"write", "state"}


def test_what_does_not_fit_its_template_is_an_error_as_ever() -> None:
    for formatter in (JsonLines(), TextLines()):
        with pytest.raises(TypeError):
            formatter.format(record("write=%s state=%s", 1))


@pytest.mark.django_db
def test_a_response_names_its_request_as_the_client_did() -> None:
    client = Client()

    assert client.get("/health/live", headers={"X-Request-ID": "abc-123"})["X-Request-ID"] == "abc-123"
    assert client.get("/nowhere", headers={"X-Request-ID": "abc-123"})["X-Request-ID"] == "abc-123"
    for bad in ("", "a b", "a\tb", "x" * 129, "ä", "{}", '"'):
        given = client.get("/health/live", headers={"X-Request-ID": bad})["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{12}-\d+", given)
    assert in_hand.get() is None


@pytest.mark.parametrize(
    ("retry_of", "request_id", "traceparent"),
    [(None, "", ""), (5, "", ""), (None, "r", ""), (5, "r", ""), (None, "", "t"), (5, "r", "t")],
)
def test_a_write_carries_what_it_needs_and_no_more(
    retry_of: int | None, request_id: str, traceparent: str
) -> None:
    write = Write(
        function="a.b",
        arguments={},
        token=new_token(),
        retry_of=retry_of,
        request_id=request_id,
        traceparent=traceparent,
        write_id=9,
    )

    payload = encode(write)

    assert decode(9, payload) == write
    assert len(json.loads(payload)) == 6 + max(bool(retry_of), 2 * bool(request_id), 3 * bool(traceparent))


def test_what_the_writer_says_of_a_write_names_the_request_that_asked(
    writer: Writer,
    clean_redis: redis.Redis,
    served: None,
    caplog: pytest.LogCaptureFixture,
    lines: Callable[[logging.Formatter], list[str]],
) -> None:
    caplog.set_level(logging.DEBUG, "workers")
    written = lines(JsonLines())
    ids = [
        submit(function, {"text": "no"}, announced=False).accepted()
        for function in ("jottings.add_then_raise", "jottings.add_then_reject")
    ]
    in_hand.set(None)  # the writer is another process

    writer.drain()

    told = {one["write"]: one for one in map(json.loads, written) if one["logger"].endswith("verdicts")}
    assert [told[str(write_id)]["state"] for write_id in ids] == ["failed", "rejected"]
    assert {told[str(write_id)]["request"] for write_id in ids} == {"req-7"}
    assert "ZeroDivisionError" in told[str(ids[0])]["error"]
    assert in_hand.get() is None


def test_at_debug_a_write_has_a_line_where_it_is_accepted_and_where_it_is_committed(
    writer: Writer,
    clean_redis: redis.Redis,
    served: None,
    caplog: pytest.LogCaptureFixture,
    lines: Callable[[logging.Formatter], list[str]],
) -> None:
    caplog.set_level(logging.DEBUG, "workers")
    written = lines(JsonLines())
    ids = {}
    for name in ("req-7", "req-8"):  # the second over the link that was opened for the first
        in_hand.set(Request(name))
        ids[submit("jottings.add", {"data": {"text": "a"}}, announced=False).accepted()] = name
    in_hand.set(None)
    writer.drain()

    said = [one for one in map(json.loads, written) if one.get("state") in ("accepted", "committed")]
    assert [(int(one["write"]), one["state"], one["request"]) for one in said] == [
        (write_id, state, name) for state in ("accepted", "committed") for write_id, name in ids.items()
    ]
    assert {one["message"].partition(" ")[2] for one in said} == {
        "state=accepted function=jottings.add",
        "state=committed function=jottings.add",
    }


def test_a_write_function_and_what_it_logs_know_their_write(
    writer: Writer, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch, served: None
) -> None:
    seen: list[tuple[str, int]] = []

    def look(*args: object, **kwargs: object) -> None:
        hand = in_hand.get()
        assert hand is not None
        seen.append((hand.request_id, hand.write_id))
        raise ValueError("enough")

    write_id = submit("jottings.add", {"data": {"text": "a"}}, announced=False).accepted()
    in_hand.set(None)
    monkeypatch.setattr("tests.jottings.models.Jotting.objects.create", look)
    writer.drain()

    assert seen == [("req-7", write_id)]


def test_the_writers_level_is_the_projects_and_not_celerys() -> None:
    root = logging.Logger("root of a writer", logging.WARNING)  # as Celery has set it

    with override_settings(LOGGING={"version": 1}):
        _leave_level_to_project(logger=root)
        assert root.level == logging.WARNING
    with override_settings(LOGGING={"version": 1, "root": {"level": "DEBUG"}}):
        _leave_level_to_project(logger=root)
    assert root.level == logging.DEBUG
