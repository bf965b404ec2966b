from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from project.demo import server
from project.demo.two_sessions import WITH_THE_USUAL_TIMEOUT, Response, plain_transactions, through_the_queue
from workers.management.console import console, counted, whole_number

# Shorter than the 0.6 s for which A finds the lock taken.
SHORT_TIMEOUT_SECONDS = 0.3
# What Python's sqlite3, and with it Django, waits when nothing is said.
DEFAULT_TIMEOUT_SECONDS = 5.0


class Command(BaseCommand):
    help = (
        "Show why two ordinary web requests cannot both write to SQLite, and that here they can. Runs two "
        "sessions as plain Django transactions on a scratch file, where one gets 'database is locked', and "
        "then the same two over HTTP against the running service. Session A works 0.5 s and then writes; "
        "session B starts 0.1 s later, writes at once and works 1 s before it commits. The service gets one "
        "item from each session. Exit status 0 when every session got 200, else 1."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        server.add_arguments(parser)
        parser.add_argument(
            "--times",
            type=whole_number(1, 10_000),
            default=1,
            metavar="N",
            help="send the two sessions to the service N times, one pair after the other (default: 1)",
        )

    def handle(self, *, url: tuple[str, int] | None, token: str | None, times: int, **options: Any) -> None:
        service = server.from_options(url, token)
        service.check_responds()
        self._console = console(self, no_color=options["no_color"])
        table = Table(
            *("Way", "Session", "Response", "After"),
            title="Two sessions, 0.1 s apart",
            title_justify="left",
            caption="Plain transactions: on a scratch file with Django's defaults (rollback journal, "
            f"deferred), but for the first time-out. {WITH_THE_USUAL_TIMEOUT}",
            caption_justify="left",
        )
        _add(
            table,
            f"Plain transactions,\ntime-out of {SHORT_TIMEOUT_SECONDS:g} s",
            self._shown(plain_transactions, timeout_seconds=SHORT_TIMEOUT_SECONDS),
        )
        _add(
            table,
            f"The same, A reads first,\ntime-out of {DEFAULT_TIMEOUT_SECONDS:g} s",
            self._shown(plain_transactions, timeout_seconds=DEFAULT_TIMEOUT_SECONDS, a_reads_first=True),
        )
        responses = self._through_the_queue(service, times)
        _add(table, "Through the one writer,\nover HTTP", responses[:2])
        self._console.print(table)
        self._conclude(responses, times=times, has_token=bool(service.token))

    def _shown(self, sessions: Any, **arguments: Any) -> list[Response]:
        with self._console.status("Two sessions at work …"):
            responses: list[Response] = sessions(**arguments)
        return responses

    def _through_the_queue(self, service: server.Server, times: int) -> list[Response]:
        if times == 1:
            return self._shown(through_the_queue, server=service)
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        responses = []
        with Progress(*columns, console=self._console, transient=True) as progress:
            for _ in progress.track(range(times), description="Through the one writer"):
                responses += through_the_queue(service)
        return responses

    def _conclude(self, responses: list[Response], *, times: int, has_token: bool) -> None:
        if times > 1:
            counts = Counter(response.text for response in responses)
            listed = ", ".join(f"{counted(count, 'time')} {text!r}" for text, count in sorted(counts.items()))
            self._console.print(escape(f"{counted(times, 'pair')} through the one writer: {listed}."))
        refused = [response for response in responses if not response.ok]
        if refused:
            hint = "" if has_token else " (No token was sent: name one with --token.)"
            raise CommandError(
                f"{len(refused)} of {len(responses)} sessions were not given 200, the first with: "
                f"{refused[0].text}{hint}"
            )
        self._console.print(
            "With plain transactions B's lock makes A fail; through the writer both commit, because neither "
            "holds a lock while it works."
        )


def _add(table: Table, way: str, responses: list[Response]) -> None:
    for index, response in enumerate(responses):
        style = "green" if response.ok else "bold red"
        last = index == len(responses) - 1
        table.add_row(
            "" if index else way,
            response.session,
            Text(response.text, style=style),
            f"{response.seconds:.2f} s",
            end_section=last,
        )
