"""The demonstration that the service exists for."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.service import Answer, Service

TIMES = 50


@pytest.mark.timeout(200)
def test_the_two_sessions_never_lock_each_other_out(service: Service) -> None:
    """Fire both sessions 0.1 s apart, fifty times, from two threads, without a token (demo mode)."""
    started = threading.Barrier(2)

    def fire(path: str, delay: float) -> list[Answer]:
        answers = []
        started.wait(10)
        time.sleep(delay)
        for _ in range(TIMES):
            answers.append(service.post(path, anonymous=True))
        return answers

    with ThreadPoolExecutor(2) as pool:
        a = pool.submit(fire, "/session_a", 0.0)
        b = pool.submit(fire, "/session_b", 0.1)

    assert [(answer.status, answer.json()) for answer in a.result()] == [
        (200, {"status": "A committed"})
    ] * TIMES
    assert [(answer.status, answer.json()) for answer in b.result()] == [
        (200, {"status": "B committed"})
    ] * TIMES
    assert sorted(service.names()) == ["session A"] * TIMES + ["session B"] * TIMES
