"""Starts programs by forking an interpreter that has imported other people's packages already.

Nothing of this project is imported before the fork, and no setting is read: what a program makes of its
arguments and its environment is as in a Python of its own. See tests/forks.py, which starts this.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import types
from typing import Any

from django.conf import settings
from sitecustomize import hide  # type: ignore[import-not-found]  # the one beside this

PACKAGES = [
    "asgiref.sync",
    "asyncio",
    "billiard",
    "celery.app.base",
    "celery.app.log",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.concurrency.solo",
    "celery.worker.consumer",
    "celery.worker.strategy",
    "click",
    "click_repl",
    "concurrent.futures.thread",
    "configparser",
    "dj_database_url",
    "django.conf.urls",
    "django.core.cache.backends.redis",
    "django.core.checks.registry",
    "django.core.handlers.wsgi",
    "django.core.mail",
    "django.core.management.commands",
    "django.core.paginator",
    "django.core.serializers.json",
    "django.core.signing",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.db.models",
    "django.forms",
    "django.template.loader",
    "django.test",
    "django.urls",
    "django.views.generic",
    "getpass",
    "gunicorn.app.wsgiapp",
    "gunicorn.arbiter",
    "http.client",
    "http.cookies",
    "importlib.metadata",
    "inflection",
    "jsonschema",
    "kombu.transport.redis",
    "kombu.transport.virtual",
    "kombu.utils.json",
    "opentelemetry.metrics",
    "orjson",
    "prompt_toolkit",
    "pygments",
    "redis.asyncio",
    "redis.sentinel",
    "rich.console",
    "sqlite3",
    "unittest.mock",
    "uritemplate",
    "urllib.request",
    "uuid",
    "uvicorn.config",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
    "vine",
    "whitenoise",
    "xml.etree.ElementTree",
    "yaml",
]
"""What takes long to import and asks nothing of the environment."""


def import_packages() -> None:
    for name in PACKAGES:
        with contextlib.suppress(ImportError):  # another version may have it elsewhere
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that no collection in a fork copies the pages


def next_program(requests: socket.socket) -> dict[str, Any]:
    """Fork for each request, and return it in the fork. The parent goes when the tests have gone.

    A request has four files: the program's three, and a pipe for its id and then for how it ended.
    """
    reports: dict[int, int] = {}
    woken, wakes = os.pipe()
    for end in (woken, wakes):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes)
    while True:
        ready, _, _ = select.select([requests.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            report_ends(reports)
        if requests.fileno() not in ready:
            continue
        message, files, _, _ = socket.recv_fds(requests, 1_000_000, 4)
        if not message:
            os._exit(0)
        if (pid := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, file in enumerate(files[:3]):
                os.dup2(file, number)
            os.closerange(3, max(woken, wakes, requests.detach(), *files, *reports.values()) + 1)
            request: dict[str, Any] = json.loads(message)
            return request
        reports[pid] = files[3]
        for file in files[:3]:
            os.close(file)
        os.write(files[3], f"{pid}\n".encode())


def report_ends(reports: dict[int, int]) -> None:
    """Say of each program that has ended how it did, as `subprocess.Popen.returncode` does."""
    with contextlib.suppress(ChildProcessError):  # there is none any more
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            report = reports.pop(ended[0])
            with contextlib.suppress(BrokenPipeError):  # nobody wants to know
                os.write(report, f"{os.waitstatus_to_exitcode(ended[1])}\n".encode())
            os.close(report)


def become(request: dict[str, Any]) -> None:
    """Take over what a process has from its parent."""
    if request["new_session"]:
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.orig_argv = [sys.executable, *request["arguments"]]
    hide()


def run(arguments: list[str]) -> None:
    """Run what follows `python` on a command line."""
    match arguments:
        case ["-c", program, *rest]:
            sys.argv, sys.path[0] = ["-c", *rest], ""
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(program, "<string>", "exec"), main.__dict__)
        case ["-m", module, *rest]:
            sys.argv, sys.path[0] = [module, *rest], os.getcwd()
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *_]:
            sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.abspath(script))
            runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    import_packages()
    assert not settings.configured
    program = next_program(socket.socket(fileno=int(sys.argv[1])))
    become(program)
    run(program["arguments"])
