"""gunicorn for the peers that do not run under the service's own configuration."""

import os

# Before anything else is imported: gunicorn itself patches only after the fork, when the settings have long
# imported what keeps unpatched locks and thread-locals, the database connections among them.
if os.environ["PEER_WORKER_CLASS"] == "gevent":
    from gevent import monkey

    monkey.patch_all()

from django.conf import settings

bind = f"127.0.0.1:{settings.PORT}"
workers = settings.WEB_PROCESSES
worker_class = os.environ["PEER_WORKER_CLASS"]
worker_connections = 1_000
threads = int(os.environ["PEER_THREADS"])
# As workers/web/gunicorn_conf.py has them.
keepalive = 75
control_socket_disable = True
loglevel = "warning"
