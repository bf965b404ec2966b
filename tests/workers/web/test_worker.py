import json
import subprocess
import sys

from tests.e2e.service import BASE_DIR

TURNS = """
import json
import gevent
from gevent import socket
from gunicorn.workers.ggevent import GeventWorker
from workers.web.worker import FairGeventWorker

class Buffer:
    def __init__(self, size): self.size = size
    def tell(self): return self.size

class Request:
    def __init__(self, buffered):
        self.unreader = self
        self.buf = Buffer(buffered)

class Configuration:
    keepalive = 0.05

order = []
GeventWorker.handle_request = lambda self, listener, request, sock, client: order.append(client)
worker = FairGeventWorker.__new__(FairGeventWorker)
worker.cfg = Configuration()

def serve(client, sock, buffered=0):
    for _ in range(3):
        worker.handle_request(None, Request(buffered), sock, client)

def connection(sent):
    ours, theirs = socket.socketpair()
    theirs.sendall(sent)
    return ours, theirs

# Clients whose next request is always there already.
busy = [connection(b"x") for _ in range(2)]
gevent.joinall([gevent.spawn(serve, name, pair[0]) for name, pair in zip("ab", busy)], raise_error=True)
turns, order[:] = order[:], []

# One that has sent several requests at once, of which the rest is read already.
pipelining = connection(b"")
gevent.spawn(serve, "p", pipelining[0], 7).get(timeout=5)
pipelined, order[:] = order[:], []

# One that sends no more.
idle = connection(b"")
try:
    worker.handle_request(None, Request(0), idle[0], "i")
    ended = False
except StopIteration:
    ended = True
print(json.dumps({"turns": turns, "pipelined": pipelined, "idle_is_ended": ended}))
"""


def test_busy_connections_take_turns_and_idle_ones_are_ended() -> None:
    said = subprocess.run(
        [sys.executable, "-c", TURNS], cwd=BASE_DIR, capture_output=True, text=True, check=True, timeout=60
    ).stdout

    served = json.loads(said)
    turns = served.pop("turns")
    # Who comes first in a turn is the kernel's to say.
    assert [sorted(turns[start : start + 2]) for start in (0, 2, 4)] == [["a", "b"]] * 3
    assert served == {"pipelined": ["p", "p", "p"], "idle_is_ended": True}
