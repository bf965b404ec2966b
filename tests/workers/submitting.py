"""Submissions of this process, for tests of the writer and of who submits."""

import threading
from collections.abc import Callable

from django.db import connection

from workers import Outcome, Submission, submit
from workers.submission.idempotency import Idempotency


def add(text: str, *, announced: bool = True, once: Idempotency | None = None) -> Submission:
    return submit(
        "jottings.add",
        {"data": {"text": text}},
        announced=announced,
        token=once.token if once else None,
        fingerprint=once.fingerprint if once else None,
    )


def accepted(text: str) -> int:
    return add(text, announced=False).accepted()


def in_thread(run: Callable[[], Outcome | None]) -> Callable[[], Outcome | None]:
    """Run in a thread of its own; return what waits for its answer."""
    answers: list[Outcome | BaseException | None] = []

    def work() -> None:
        try:
            answers.append(run())
        except Exception as exc:
            answers.append(exc)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()

    def join() -> Outcome | None:
        thread.join(20)
        [answer] = answers
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return join
