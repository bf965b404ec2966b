"""Requests in this process, answered while the writer of this process is at work."""

import threading
from collections.abc import Callable
from typing import Any

import redis
from django.db import connection

from workers.stream import heartbeat
from workers.writer.loop import Writer

Answered = Callable[[Callable[[], Any]], Any]
"""Makes a request in another thread while the writer is at work, and returns its answer."""


def answering(writer: Writer, client: redis.Redis) -> Answered:
    heartbeat.Heartbeat(client).renew(committed=0)

    def ask(request: Callable[[], Any]) -> Any:
        answers: list[Any] = []

        def work() -> None:
            try:
                answers.append(request())
            except BaseException as exc:
                answers.append(exc)
            finally:
                connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            writer.drain()
        [answer] = answers
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return ask
