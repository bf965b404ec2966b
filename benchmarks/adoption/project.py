"""A scratch project around an application: made with `startproject`, copied for each measurement."""

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.adoption.person import PASSWORD
from benchmarks.adoption.sites import Site
from benchmarks.adoption.sites.sizes import PRODUCTS, TICKETS
from benchmarks.adoption.ways import CELERY, Way
from benchmarks.contestants.one_writer import redis_command
from benchmarks.processes import Processes, environment, free_port
from workers.up import embedded_redis

PACKAGE = "site_under_test"
STORE = "db.sqlite3"
PROCESSES = 2

DEPLOYED = """
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
"""
"""What Django's deployment checklist asks of every project, whichever way it writes."""


@dataclass(kw_only=True, eq=False)
class Project:
    """One application's project in all ways, below one directory."""

    site: Site
    python: str
    """The interpreter that has the applications."""
    directory: Path
    clients: int
    threads: int
    """Of each of the two web processes."""
    cache: Path
    """Keeps filled stores between runs: making one takes half a minute."""
    _made: dict[str, Path] = field(default_factory=dict)

    def template(self, way: Way) -> Path:
        """Return a project of this way, migrated and filled; made at the first call."""
        if way.name not in self._made:
            self._made[way.name] = self._make(way)
        return self._made[way.name]

    def measure(self, way: Way, *, warm_up: float, seconds: float) -> dict[str, Any]:
        """Serve a fresh copy, let the clients loose, and return what came of it.

        Raises NotStarted when the site does not come up, CalledProcessError when the clients fail.
        """
        place = self.directory / f"{self.site.name}-{way.name}-run"
        shutil.copytree(self.template(way), place)
        port = free_port()
        processes = Processes(place, self._settings(place))
        try:
            if way.has_writer:
                self._start_writer(processes, place)
            processes.start("web", self._server(place, port))
            processes.wait_until(lambda: _is_up(port))
            return self._load(place, port, "--warm-up", str(warm_up), "--seconds", str(seconds))
        finally:
            processes.stop_all()
            shutil.rmtree(place, ignore_errors=True)

    def _make(self, way: Way) -> Path:
        place = self.directory / f"{self.site.name}-{way.name}"
        place.mkdir()
        self._run(place, "-m", "django", "startproject", PACKAGE, str(place))
        settings = place / PACKAGE / "settings.py"
        with settings.open("a") as file:
            file.write(DEPLOYED + self.site.settings)
        (place / PACKAGE / "urls.py").write_text(self.site.urls)
        self._fill(place)
        with settings.open("a") as file:
            file.write(way.lines)
        if way.has_writer:
            (place / PACKAGE / "celery.py").write_text(CELERY)
            (place / PACKAGE / "__init__.py").write_text("from .celery import app\n")
        # Whoever adds an app has its tables made.
        self._run(place, "manage.py", "migrate", "--verbosity", "0")
        return place

    def _fill(self, place: Path) -> None:
        """Make the store under Django's defaults; it is the same for all ways, so it is made once."""
        sizes = f"CLIENTS, PASSWORD, PRODUCTS, TICKETS = {self.clients}, {PASSWORD!r}, {PRODUCTS}, {TICKETS}"
        made_of = (
            sizes + self.site.settings + self.site.fill + machine.versions(self.python, [self.site.package])
        )
        filled = self.cache / f"{self.site.name}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.sqlite3"
        if not filled.exists():
            (place / "fill.py").write_text(sizes + self.site.fill)
            self._run(place, "manage.py", "migrate", "--verbosity", "0")
            self._run(place, "manage.py", "shell", "-c", "exec(open('fill.py').read(), globals())")
            self.cache.mkdir(parents=True, exist_ok=True)
            shutil.copy(place / STORE, filled)
        shutil.copy(filled, place / STORE)

    def _run(self, place: Path, *arguments: str) -> None:
        done = subprocess.run(
            [self.python, *arguments],
            cwd=place,
            env=environment(self._settings(place)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            command = " ".join(arguments[:4])
            raise RuntimeError(f"{self.site.name}: `{command}` failed:\n{done.stderr[-2000:]}")

    def _settings(self, place: Path) -> dict[str, str]:
        # This repository is on the path under all ways alike, so that INSTALLED_APPS can name `workers`.
        path = os.pathsep.join([os.fspath(place), environment({})["PYTHONPATH"]])
        return {"DJANGO_SETTINGS_MODULE": f"{PACKAGE}.settings", "PYTHONPATH": path}

    def _server(self, place: Path, port: int) -> list[str]:
        # fmt: off
        return [
            self.python, "-m", "gunicorn", f"{PACKAGE}.wsgi:application", "--chdir", os.fspath(place),
            "--bind", f"127.0.0.1:{port}", "--workers", str(PROCESSES), "--threads", str(self.threads),
            "--keep-alive", "75", "--timeout", "120", "--log-level", "warning", "--no-control-socket",
        ]
        # fmt: on

    def _start_writer(self, processes: Processes, place: Path) -> None:
        processes.start("redis", redis_command(self.python, place))
        processes.wait_until(lambda: embedded_redis.responds(embedded_redis.socket_path(place)))
        processes.start("writer", [self.python, os.fspath(place / "manage.py"), "writer"])

    def _load(self, place: Path, port: int, *times: str) -> dict[str, Any]:
        output = place / "load.json"
        # fmt: off
        command = [
            sys.executable, "-m", "benchmarks.adoption.load", "--site", self.site.name, "--port", str(port),
            "--store", os.fspath(place / STORE), "--clients", str(self.clients),
            "--output", os.fspath(output), *times,
        ]
        # fmt: on
        subprocess.run(command, env=environment({}), check=True)
        result: dict[str, Any] = json.loads(output.read_text())
        return result


def _is_up(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/admin/login/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
