"""How gunicorn serves this project. What is not set here stays at gunicorn's default.

Limits on requests and connections: workers/web/protocol.py and limits.py.
"""

from workers.service_settings import place
from workers.web.grace import graceful_seconds

_host = place.HOST
bind = f"[{_host}]:{place.PORT}" if ":" in _host else f"{_host}:{place.PORT}"

workers = place.WEB_PROCESSES
worker_class = "workers.web.worker.LoopWorker"
worker_connections = place.WEB_CONNECTIONS

# On SIGTERM, requests that wait for their outcome still get it.
graceful_timeout = graceful_seconds()

# Longer than the 60 s for which proxies keep idle connections, so that it is never this side that closes
# one just as a request is sent on it.
keepalive = 75

# Each process connects to Redis and opens the store for itself; a connection must not cross a fork.
preload_app = False

# Nothing here uses the control socket, and two services of one user would meet at the same path.
control_socket_disable = True

forwarded_allow_ips = ""

logger_class = "workers.web.log_lines.GunicornLogger"

# The arbiter's start and stop messages repeat what `up`, systemd or the container runtime says.
loglevel = "warning"
