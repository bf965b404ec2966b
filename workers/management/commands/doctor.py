import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.markup import escape
from rich.table import Table

from workers.doctor import Finding, Level, examine
from workers.management.console import console

STYLES = {Level.OK: "green", Level.INFO: "cyan", Level.WARNING: "yellow", Level.ERROR: "bold red"}


class Command(BaseCommand):
    help = (
        "Look at the store, its disk, Redis, the writer and the lease, and say what to do about what is not "
        "as it should be. Writes nothing and works while any of them is down. "
        "Exit status 0 when there is no error (warnings are allowed), else 1."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--full",
            action="store_true",
            help="compare every index with its table too (PRAGMA integrity_check); slow on a large store",
        )
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="print one JSON object instead of the table"
        )

    def handle(self, *, full: bool, as_json: bool, **options: Any) -> None:
        findings = list(examine(full=full))
        counts = Counter(finding.level for finding in findings)
        if as_json:
            state = {
                "errors": counts[Level.ERROR],
                "warnings": counts[Level.WARNING],
                "findings": [asdict(finding) for finding in findings],
            }
            self.stdout.write(json.dumps(state))
        else:
            output = console(self, no_color=options["no_color"])
            output.print(_table(findings))
            output.print(_summary(counts))
        if counts[Level.ERROR]:
            names = (finding.name for finding in findings if finding.level is Level.ERROR)
            raise CommandError(f"Needs attention: {', '.join(names)}.")


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(title="Doctor", title_justify="left", show_lines=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("What", no_wrap=True)
    table.add_column("Found, and what to do", overflow="fold")
    for finding in findings:
        style = STYLES[finding.level]
        text = escape(finding.msg)
        if finding.hint:
            text += f"\n[{style}]->[/{style}] {escape(finding.hint)}"
        table.add_row(f"[{style}]{finding.level}[/{style}]", finding.name, text)
    return table


def _summary(counts: Counter[Level]) -> str:
    words = {
        Level.ERROR: "error" if counts[Level.ERROR] == 1 else "errors",
        Level.WARNING: "warning" if counts[Level.WARNING] == 1 else "warnings",
        Level.INFO: "for information",
        Level.OK: "fine",
    }
    return ", ".join(
        f"[{STYLES[level]}]{counts[level]} {word}[/{STYLES[level]}]" for level, word in words.items()
    )
