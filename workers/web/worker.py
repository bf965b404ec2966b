"""gunicorn's gevent worker, with turns for all: a connection gives way to the others after each request.

A greenlet runs until it waits. A client that sends its next request before this process looks for it is
otherwise served again and again, while others wait for seconds, and with them the replies of Redis, so that a
few busy readers can keep all writes from their responses.
"""

from typing import Any

from gevent import socket
from gunicorn.workers.ggevent import GeventWorker


class FairGeventWorker(GeventWorker):
    """Serves one request of each connection that has one, then the next one of each."""

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        super().handle_request(listener_name, req, sock, addr)
        if req.unreader.buf.tell() or not self.cfg.keepalive:
            return  # the next request is here already, and waiting for more could take for ever
        try:
            # Not `sleep(0)`: that lets run what else sleeps so, a thousand times over, before any input.
            socket.wait_read(sock.fileno(), timeout=self.cfg.keepalive)
        except TimeoutError:
            raise StopIteration from None  # as gunicorn itself ends an idle connection
