"""How gunicorn serves this project. What is not set here stays at gunicorn's default.

The request limits are among those: a request line of 4,094 bytes, 100 header fields of 8,190 bytes each.
"""

# First of all, in the arbiter: gunicorn itself patches only after the fork, when the settings have long
# imported what keeps unpatched locks, ssl contexts and thread-locals (the database connections among them).
# For the same reason gunicorn gets this file by its path: `python:workers.web.gunicorn_conf` would import the
# package before it.
# isort: off
from gevent import monkey

monkey.patch_all()
# isort: on

import os  # noqa: E402

from django.conf import settings  # noqa: E402

from workers.web.grace import graceful_seconds  # noqa: E402

_host = settings.HOST
bind = f"[{_host}]:{settings.PORT}" if ":" in _host else f"{_host}:{settings.PORT}"

# Greenlets, because requests that wait for their outcome are cheap to wake then: measured 1.3 to 1.5 times
# the rate of threads, which spend their time on handing the interpreter's lock around.
workers = settings.WEB_PROCESSES
worker_class = "workers.web.worker.FairGeventWorker"
worker_connections = settings.WEB_CONNECTIONS

# On SIGTERM, requests that wait for their outcome still get it.
graceful_timeout = graceful_seconds()

# Longer than the 60 s for which proxies keep idle connections, so that it is never this side that closes
# one just as a request is sent on it.
keepalive = 75

# Each process connects to Redis and opens the store for itself; a connection must not cross a fork.
preload_app = False

# Nothing here uses the control socket, and two services of one user would meet at the same path.
control_socket_disable = True

# Nothing but the request itself is taken from a client's headers. SCRIPT_NAME and PATH_INFO would move every
# route, and a scheme header would be believed although TRUST_X_FORWARDED_PROTO says no; where it says yes,
# Django reads X-Forwarded-Proto itself. These stand for FORWARDED_ALLOW_IPS and WEB_CONCURRENCY too;
# GUNICORN_CMD_ARGS comes after this file and is the operator's own word.
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
forwarded_allow_ips = ""
header_map = "drop"
proxy_protocol = False
# gunicorn would respond with 500 to all that does not begin with it.
os.environ.pop("SCRIPT_NAME", None)

logger_class = "workers.web.log_lines.GunicornLogger"

# The arbiter's start and stop messages repeat what `up`, systemd or the container runtime says.
loglevel = "warning"
