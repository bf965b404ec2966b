"""Celery tasks of an app of its own, as a user of the write path writes them."""

import os
import time
from pathlib import Path

from celery import shared_task

from tests.jottings.models import Jotting, Topic
from workers import submit


@shared_task(name="jottings.hold")
def hold(directory: str) -> None:
    """Say in which process this runs, and go on until the file `go-on` is there."""
    path = Path(directory)
    (path / "held-by").write_text(str(os.getpid()))
    while not (path / "go-on").exists():
        time.sleep(0.01)


@shared_task(name="jottings.write")
def write(directory: str) -> None:
    """Write the store directly, with the store lock, and then through the writer."""
    path = Path(directory)
    Topic.objects.create(name="from a task")
    (path / "written").touch()
    outcome = submit("jottings.add", {"data": {"text": "from a task"}}).wait(10)
    (path / "outcome").write_text(str(outcome and outcome.status))


@shared_task(name="jottings.look")
def look(directory: str, text: str) -> None:
    """Say in which process this runs, and how many jottings of this text it sees."""
    with (Path(directory) / "seen").open("a") as file:
        file.write(f"{os.getpid()} {text} {Jotting.objects.filter(text=text).count()}\n")
