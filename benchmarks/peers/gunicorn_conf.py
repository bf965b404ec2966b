"""gunicorn for the peers that do not run under the service's own configuration."""

import os

from django.conf import settings

bind = f"127.0.0.1:{settings.PORT}"
workers = settings.WEB_PROCESSES
worker_class = os.environ["PEER_WORKER_CLASS"]
threads = int(os.environ["PEER_THREADS"])
# As workers/web/gunicorn_conf.py has them.
keepalive = 75
control_socket_disable = True
loglevel = "warning"
