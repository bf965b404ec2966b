"""The real Prometheus, with the configuration and the rules of deploy/: it scrapes, computes and alarms."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.service import BASE_DIR, Service, free_port
from tests.waiting import until

PROGRAM = shutil.which("prometheus")

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="prometheus is not on PATH: Debian has it in the package prometheus"
)

DEPLOY = BASE_DIR / "deploy"
WRITES = 40


class Prometheus:
    """Asks the server what people, rules and dashboards ask it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **query: str) -> Any:
        with urllib.request.urlopen(
            f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=10
        ) as response:
            told = json.load(response)
        assert told["status"] == "success", told
        return told["data"]

    def value(self, expression: str) -> float | None:
        """Return the value of an expression of one series; None while there is none."""
        found = self.get("/api/v1/query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else None

    def is_ready(self) -> bool:
        with suppress(OSError):
            return self.value("vector(1)") == 1
        return False

    def firing(self) -> set[str]:
        alerts = self.get("/api/v1/alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    made = make_service(WEB_PROCESSES="2")
    made.start_all()
    return made


@pytest.fixture
def prometheus(service: Service, tmp_path: Path) -> Iterator[Prometheus]:
    """As deploy/ has it, but for the address and the token of this service, and without waiting."""
    token = tmp_path / "token"
    token.write_text(service.manage("create_token", "demo", "--scope", "read").stdout.strip())
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    [job] = configuration["scrape_configs"]
    job["scrape_interval"] = "1s"
    job["authorization"]["credentials_file"] = str(token)
    job["static_configs"] = [{"targets": [f"127.0.0.1:{service.port}"]}]
    rules = yaml.safe_load((DEPLOY / "prometheus" / "one-writer.rules.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
    rules["groups"][0]["interval"] = "1s"
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    (tmp_path / "one-writer.rules.yml").write_text(yaml.safe_dump(rules))
    port = free_port()
    process = subprocess.Popen(
        [
            *(str(PROGRAM), f"--config.file={tmp_path}/prometheus.yml"),
            *(f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        asked = Prometheus(port)
        until(asked.is_ready, seconds=60, what="Prometheus")
        yield asked
    finally:
        process.terminate()
        process.wait()


def expressions_of_dashboard() -> list[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "one-writer.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for name, value in {"$__rate_interval": "1m", "$instance": ".*", "$job": "one-writer"}.items():
        found = [one.replace(name, value) for one in found]
    return found


def test_it_counts_each_write_once_draws_the_dashboard_and_alarms_when_the_writer_is_gone(
    service: Service, prometheus: Prometheus
) -> None:
    committed = 'one_writer_writes_total{status="committed"}'
    until(lambda: prometheus.value(committed) is not None, seconds=30, what="the first figures")
    before = prometheus.value(committed) or 0
    for number in range(WRITES):
        assert service.create(f"item {number}").status == 201

    # Of two web processes each may tell it: they tell the same.
    until(lambda: prometheus.value(committed) == before + WRITES, seconds=30, what="the count")
    asked = expressions_of_dashboard()
    drawn = [one for one in asked if prometheus.get("/api/v1/query", query=one)["result"]]
    health = prometheus.get("/api/v1/rules")["groups"][0]["rules"]

    assert len(drawn) > len(asked) * 3 // 4
    assert {rule["health"] for rule in health} == {"ok"}
    assert prometheus.firing() <= {"OneWriterNoBackup", "OneWriterDiskNearlyFull"}

    service.kill("writer")
    until(lambda: "OneWriterWriterDown" in prometheus.firing(), seconds=60, what="the alarm")
    service.start("writer")
    until(lambda: "OneWriterWriterDown" not in prometheus.firing(), seconds=60, what="its end")
    assert prometheus.value(f"resets({committed}[5m])") == 0
