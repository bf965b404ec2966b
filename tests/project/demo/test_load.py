from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from project.demo import load
from project.demo.load import Fate, Load, Report, compare
from project.demo.management.commands.load_test import stored_names
from project.demo.server import Server
from tests.workers.up.fake_service import FakeService, running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "RECONNECT_SECONDS", 0.001)
    monkeypatch.setattr(load, "POLL_SECONDS", 0.001)


def run(
    service: FakeService, requests: int = 12, *, idempotency_keys: bool = True, **limits: float
) -> Report:
    server = Server(host="127.0.0.1", port=service.server_address[1])
    test = Load(server, requests=requests, connections=4, idempotency_keys=idempotency_keys, **limits)  # type: ignore[arg-type]
    return test.run(lambda done: None)


def report_of(*fates: Fate) -> Report:
    return Report(run="r", fates=bytearray(fates))


def command(service: FakeService, *arguments: str) -> str:
    output = StringIO()
    call_command(
        "load_test", "--requests=12", "--connections=4", f"--url={service.url}", *arguments, stdout=output
    )
    return output.getvalue()


def test_an_accepted_request_without_a_row_is_missing() -> None:
    verdict = compare(report_of(Fate.ACCEPTED, Fate.ACCEPTED, Fate.QUEUED), ["load r 1"])

    assert (verdict.rows, verdict.missing, verdict.duplicates) == (1, 2, 0)


def test_a_request_with_two_rows_is_a_duplicate() -> None:
    verdict = compare(
        report_of(Fate.ACCEPTED, Fate.ACCEPTED), ["load r 0", "load r 1", "load r 0", "load r 0"]
    )

    assert (verdict.rows, verdict.missing, verdict.duplicates) == (4, 0, 1)


def test_rows_of_unknown_and_failed_requests_are_told_apart() -> None:
    verdict = compare(
        report_of(Fate.UNKNOWN, Fate.UNKNOWN, Fate.ERROR, Fate.ERROR), ["load r 0", "load r 2", "load r 3"]
    )

    assert (verdict.unknown_but_present, verdict.error_but_present, verdict.missing) == (1, 2, 0)


@pytest.mark.parametrize("name", ["load r 2", "load r 00", "load r x", "load r ²", "load r "])
def test_a_row_that_no_request_asked_for_is_unexpected(name: str) -> None:
    verdict = compare(report_of(Fate.ACCEPTED, Fate.ACCEPTED), ["load r 0", "load r 1", name])

    assert (verdict.unexpected, verdict.missing, verdict.duplicates) == (1, 0, 0)


def test_percentiles_are_latencies_that_occurred() -> None:
    report = report_of()
    report.latencies.extend([0.3, 0.1, 0.2, 0.4])

    assert [report.percentile(percent) for percent in (0, 50, 99, 100)] == [0.1, 0.3, 0.4, 0.4]


@pytest.mark.django_db(transaction=True)
class TestLoad:
    def test_every_request_becomes_one_row(self) -> None:
        with running() as service:
            report = run(service, 40)

        verdict = compare(report, stored_names(report.run))
        assert report.count(Fate.ACCEPTED) == verdict.rows == len(report.latencies) == 40
        assert (verdict.missing, verdict.duplicates, verdict.unexpected) == (0, 0, 0)
        assert dict(report.statuses) == {201: 40}

    def test_only_the_rows_of_the_run_are_read(self) -> None:
        with running() as service:
            first, second = run(service, 3), run(service, 2)

        assert sorted(stored_names(first.run)) == [f"load {first.run} {number}" for number in range(3)]
        assert len(list(stored_names(second.run))) == 2

    def test_a_cut_connection_is_repeated_with_the_same_key(self) -> None:
        with running({2: ["cut"], 5: ["cut_after"], 7: ["cut_after", "cut"]}) as service:
            report = run(service)

        assert report.events["connection cut"] == 4
        assert report.count(Fate.ACCEPTED) == 12
        assert sorted(stored_names(report.run)) == sorted(f"load {report.run} {n}" for n in range(12))

    def test_a_connection_that_is_cut_behind_a_proxy_is_repeated_too(self) -> None:
        with running({3: ["cut_behind_a_proxy"]}) as service:
            report = run(service)

        assert (report.statuses[502], report.count(Fate.ACCEPTED)) == (1, 12)
        assert compare(report, stored_names(report.run)).duplicates == 0

    def test_without_keys_a_cut_connection_leaves_the_request_unknown(self) -> None:
        with running({2: ["cut"], 5: ["cut_after"]}) as service:
            report = run(service, idempotency_keys=False)

        assert (report.count(Fate.UNKNOWN), report.count(Fate.ACCEPTED)) == (2, 10)
        assert compare(report, stored_names(report.run)).unknown_but_present == 1

    def test_a_503_is_repeated_and_counted(self) -> None:
        with running({1: ["busy"], 4: ["busy", "busy"]}) as service:
            report = run(service)

        assert dict(report.events) == {"503 stream_full": 3} | {"202 not settled in time": 0}
        assert report.count(Fate.ACCEPTED) == 12

    def test_a_refused_request_ends_in_error_and_is_not_repeated(self) -> None:
        with running({3: ["refuse"]}) as service:
            report = run(service)

        assert report.count(Fate.ERROR) == report.events["400 invalid"] == report.statuses[400] == 1
        assert report.count(Fate.ACCEPTED) == 11

    def test_a_queued_write_is_followed_until_it_is_committed(self) -> None:
        with running({3: ["queue"]}) as service:
            report = run(service)

        assert (report.statuses[202], report.count(Fate.ACCEPTED)) == (1, 12)

    def test_a_queued_write_that_is_rejected_ends_in_error(self) -> None:
        with running({3: ["queue"]}) as service:
            service.queued_becomes = ["queued", "rejected"]
            report = run(service)

        assert report.count(Fate.ERROR) == report.events["202 then rejected"] == 1

    def test_a_write_that_stays_queued_is_given_up_at_the_deadline(self) -> None:
        with running({3: ["queue"]}) as service:
            service.queued_becomes = ["queued"]
            report = run(service, settle_seconds=0.05)

        assert report.count(Fate.QUEUED) == report.events["202 not settled in time"] == 1

    def test_a_request_that_is_never_responded_to_ends_the_run(self) -> None:
        with running({0: ["cut"] * 100}) as service:
            report = run(service, 10_000, retries=3)

        assert report.events["connection cut"] == 4
        assert report.events["gave up"] == report.count(Fate.ERROR) == 1
        assert report.count(Fate.UNSENT) > 0


@pytest.mark.django_db(transaction=True)
class TestCommand:
    def test_it_says_that_every_accepted_request_is_in_the_store(self) -> None:
        with running({1: ["busy"], 2: ["cut_after"]}) as service:
            output = command(service)

        assert "All 12 accepted requests are in the store, each exactly once." in output
        assert "Retries and errors: connection cut" in output

    def test_it_goes_where_the_settings_say_that_the_service_is(self, settings: Settings) -> None:
        with running() as service:
            settings.SERVICE_URL = service.url
            output = StringIO()
            call_command("load_test", "--requests=3", stdout=output)
            call_command("load_test", "--requests=1", stdout=output)

        assert "All 3 accepted requests" in output.getvalue()
        assert "The one accepted request is in the store, exactly once." in output.getvalue()

    def test_an_address_in_the_settings_that_is_none_is_named(self, settings: Settings) -> None:
        settings.SERVICE_URL = "web:8000"

        with pytest.raises(CommandError, match="SERVICE_URL: 'web:8000' is not of the form"):
            call_command("load_test")

    def test_a_lost_row_fails_it(self) -> None:
        with running({4: ["lose"]}) as service, pytest.raises(CommandError, match="must be: 1 missing"):
            command(service)

    def test_a_duplicate_row_fails_it(self) -> None:
        with running({4: ["double"]}) as service, pytest.raises(CommandError, match="must be: 1 duplicate"):
            command(service)

    def test_an_error_fails_it(self) -> None:
        with running({4: ["refuse"]}) as service, pytest.raises(CommandError, match="1 ended in error"):
            command(service)

    def test_an_unknown_request_fails_it(self) -> None:
        with running({4: ["cut"]}) as service, pytest.raises(CommandError, match="1 unknown"):
            command(service, "--no-idempotency-keys")

    def test_another_store_is_named_when_no_row_is_found(self) -> None:
        with (
            running({number: ["lose"] for number in range(12)}) as service,
            pytest.raises(CommandError, match="is DATA_DIR the one that the service uses"),
        ):
            command(service)

    def test_a_service_that_is_not_there_is_said_at_once(self) -> None:
        with running() as service:
            url = service.url
        with pytest.raises(CommandError, match=r"Nothing responds at http://.* `manage.py up`"):
            call_command("load_test", f"--url={url}")

    def test_a_missing_token_is_said_before_the_load(self) -> None:
        with running() as service, pytest.raises(CommandError, match=r"needs a token: .*create_token"):
            service.unauthorized = True
            command(service)

    def test_a_host_that_the_service_does_not_know_is_said_before_the_load(self) -> None:
        with running() as service, pytest.raises(CommandError, match=r"'127\.0\.0\.1' .* ALLOWED_HOSTS"):
            service.is_unknown_host = True
            command(service)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--requests=0", "use a whole number from 1 to 10000000"),
        ("--requests=many", "use a whole number from 1 to 10000000"),
        ("--connections=-1", "use a whole number from 1 to 10000"),
        ("--url=localhost:8000", "is not of the form http://HOST:PORT"),
        ("--url=http://localhost:eight", "is not an address"),
        ("--token=two words", "a token is one word"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(argument: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("load_test", argument)
