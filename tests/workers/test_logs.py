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


def record(message: str, *args: object, **more: object) -> logging.LogRecord:
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
    assert found["message"] == "what: line\nbreak"
    assert found["error"].startswith("Traceback")
    assert found["request"] == "req-7"


def test_a_text_line_names_the_request_once_and_before_the_traceback(served: None) -> None:
    try:
        raise ValueError
    except ValueError as exc:
        made = record("oh", exc_info=(type(exc), exc, exc.__traceback__))

    assert TextLines().format(made).splitlines()[0].endswith(" ERROR workers.writer oh request=req-7")
    assert TextLines().format(record("request=%s x", "req-7")).count("request=") == 1


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
    writer: Writer, clean_redis: redis.Redis, served: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "workers")
    write_id = submit("jottings.add", {"data": {"text": "a"}}, announced=False).accepted()
    writer.drain()

    said = [one.getMessage() for one in caplog.records if f"write={write_id}" in one.getMessage()]
    assert said == [
        f"write={write_id} state=accepted function=jottings.add request=req-7",
        f"write={write_id} state=committed function=jottings.add",
    ]


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
