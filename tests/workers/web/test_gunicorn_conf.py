"""The configuration of the web server, as gunicorn reads it."""

import runpy

from django.test import override_settings

from tests.e2e.service import BASE_DIR


def test_the_configuration_follows_the_settings() -> None:
    with override_settings(HOST="::1", PORT=8001, WEB_PROCESSES=3, WEB_CONNECTIONS=17):
        conf = runpy.run_path(str(BASE_DIR / "workers/web/gunicorn_conf.py"))

    assert (conf["bind"], conf["workers"], conf["worker_connections"]) == ("[::1]:8001", 3, 17)
    assert conf["worker_class"] == "workers.web.worker.LoopWorker"
