"""gunicorn's worker: uvicorn on an event loop, serving a WSGI application by the bridge."""

import logging
import resource
import sys
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from workers.service_settings import place
from workers.web import protocol
from workers.web.bridge import Bridge
from workers.web.grace import graceful_seconds
from workers.web.server import SharingServer

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]  # uvicorn then takes asyncio's own loop

logger = logging.getLogger(__name__)

FILES_PER_CONNECTION = 3
"""A socket, and the store and its log for a request that waits after it has read."""

OTHER_FILES = 300

QUICK = {"uvloop": uvloop is not None, "httptools": protocol.IS_QUICK}
"""What makes the server quick, and whether it is there: it has no wheel for every machine."""


class LoopWorker(UvicornWorker):
    """Serves many requests at once in one thread, and those that may block in others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        cfg = args[5] if len(args) > 5 else kwargs["cfg"]
        self.CONFIG_KWARGS = {
            "loop": "auto",
            "timeout_graceful_shutdown": graceful_seconds(),
            **protocol.options(most_connections=cfg.worker_connections),
        }
        super().__init__(*args, **kwargs)

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = SharingServer(self.config)
        self._install_sigquit_handler()
        await server.serve(sockets=[listener.sock for listener in self.sockets])
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def init_process(self) -> None:
        _allow_files(FILES_PER_CONNECTION * self.cfg.worker_connections + OTHER_FILES)
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        if self.age == 1:
            _say_what_is_missing()
        application: Any = vars(self)["wsgi"]
        if settings.DEBUG and apps.is_installed("django.contrib.staticfiles"):
            application = StaticFilesHandler(application)  # as runserver does
        self.wsgi = Bridge(application, on_loop=place.WEB_ON_LOOP)


def _allow_files(wanted: int) -> None:
    """Raise the limit on open files as far as this process may: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _say_what_is_missing() -> None:
    missing = " ".join(name for name, is_there in QUICK.items() if not is_there)
    if missing:
        logger.warning("web state=slow missing='%s' hint='pip install %s'", missing, missing)
