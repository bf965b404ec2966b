from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from project.demo.management.commands import two_sessions as command_module
from project.demo.server import Server
from project.demo.timelines import Doing, Timeline
from project.demo.two_sessions import (
    ALIAS,
    Response,
    Timing,
    plain_transactions,
    through_one_thread,
    through_the_queue,
)
from tests.workers.up.fake_service import FakeService, running

# Shorter than in the story, but B still has a quarter of a second to take the lock before A wants it.
QUICK = Timing(start_gap=0.02, a_works=0.3, b_works=0.6)


@pytest.fixture(autouse=True)
def _scratch_file_only(django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield


def seen(responses: list[Response]) -> list[tuple[str, str, bool]]:
    return [(response.session, response.text, response.ok) for response in responses]


def test_a_finds_the_database_locked_while_b_works() -> None:
    responses = plain_transactions(timeout_seconds=0.1, timing=QUICK)

    assert seen(responses) == [("A", "database is locked", False), ("B", "B committed", True)]
    assert 0.4 <= responses[0].seconds < responses[1].seconds


def test_no_timeout_helps_once_a_has_read() -> None:
    responses = plain_transactions(timeout_seconds=60, a_reads_first=True, timing=QUICK)

    assert seen(responses) == [("A", "database is locked", False), ("B", "B committed", True)]
    assert responses[0].seconds < responses[1].seconds


def test_with_a_long_timeout_a_waits_for_b_and_commits() -> None:
    """The lock is what fails A, not the scratch file."""
    responses = plain_transactions(timeout_seconds=60, timing=QUICK)

    assert seen(responses) == [("A", "A committed", True), ("B", "B committed", True)]
    assert responses[0].seconds >= 0.6


def test_through_one_thread_both_commit_and_nobody_holds_the_lock_but_the_writer() -> None:
    timeline = Timeline()

    responses = through_one_thread(timing=QUICK, note=timeline.note)

    assert seen(responses) == [("A", "A committed", True), ("B", "B committed", True)]
    spans = timeline.spans()
    assert {span.who for span in spans if span.doing is Doing.HOLDS} == {"writer"}
    assert [span.doing for span in spans if span.who == "A"] == [Doing.WORKS, Doing.WAITS]
    assert all(0 <= span.begins <= span.ends for span in spans)


def test_the_timeline_says_who_waited_for_whom() -> None:
    timeline = Timeline()

    plain_transactions(timeout_seconds=0.1, timing=QUICK, note=timeline.note)

    [waited] = [span for span in timeline.spans() if span.who == "A" and span.doing is Doing.WAITS]
    [held] = [span for span in timeline.spans() if span.doing is Doing.HOLDS]
    assert held.who == "B"
    assert held.begins < waited.begins < waited.ends < held.ends


def test_the_scratch_file_is_known_to_its_sessions_only() -> None:
    plain_transactions(timeout_seconds=0.1, timing=QUICK.scaled(0.1))

    assert ALIAS not in connections.databases
    assert all(connection.alias != ALIAS for connection in connections.all(initialized_only=True))


def server_of(service: FakeService) -> Server:
    return Server(host="127.0.0.1", port=service.server_address[1])


def test_each_session_gets_the_services_response() -> None:
    with running() as service:
        service.sessions["/session_b"] = 503
        responses = through_the_queue(server_of(service), gap_seconds=0)

    assert seen(responses) == [("A", "200 committed", True), ("B", "503 no writer", False)]


def test_a_session_without_a_response_has_failed() -> None:
    with running() as service:
        server = server_of(service)
    responses = through_the_queue(server, gap_seconds=0)

    assert [response.ok for response in responses] == [False, False]
    assert responses[0].text.startswith("no response: ")


class TestCommand:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def quickly(**arguments: float) -> list[Response]:
            return plain_transactions(timing=QUICK, **arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(command_module, "plain_transactions", quickly)
        monkeypatch.setattr(command_module, "SHORT_TIMEOUT_SECONDS", 0.1)

    def test_it_shows_the_problem_and_the_cure(self) -> None:
        output = StringIO()
        with running() as service:
            call_command("two_sessions", f"--url={service.url}", stdout=output)

        shown = output.getvalue()
        assert shown.count("database is locked") == 2
        assert shown.count("B committed") == 2
        assert shown.count("200 committed") == 2

    def test_it_counts_the_responses_of_many_pairs(self) -> None:
        output = StringIO()
        with running() as service:
            call_command("two_sessions", f"--url={service.url}", "--times=3", stdout=output)

        assert "3 pairs through the one writer: 6 times '200 committed'." in output.getvalue()

    def test_a_response_other_than_200_fails_it(self) -> None:
        with running() as service, pytest.raises(CommandError, match=r"1 of 2 sessions .*: 503 no writer"):
            service.sessions["/session_a"] = 503
            call_command("two_sessions", f"--url={service.url}", stdout=StringIO())

    def test_a_service_that_is_not_there_is_said_before_anything_runs(self) -> None:
        with running() as service:
            url = service.url
        with pytest.raises(CommandError, match=r"`manage\.py up`"):
            call_command("two_sessions", f"--url={url}")


@pytest.mark.parametrize("times", ["0", "-1", "x", "10001"])
def test_a_number_of_times_that_makes_no_sense_is_refused(times: str) -> None:
    with pytest.raises(CommandError, match="use a whole number from 1 to 10000"):
        call_command("two_sessions", f"--times={times}")
