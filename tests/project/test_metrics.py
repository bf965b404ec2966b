"""GET /metrics: right under any number of processes, for whom it is meant, and in Prometheus' own words."""

import ipaddress
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import override_settings
from django.utils import timezone
from prometheus_client import parser as text_format
from prometheus_client.openmetrics import parser as openmetrics
from rest_framework.test import APIClient

from project.accounts import tokens
from tests.workers.submitting import accepted
from workers import submit
from workers.measures import reading
from workers.metrics import exposition
from workers.operations.sizes import Sizes, sizes
from workers.stream.redis_client import connect
from workers.writer.loop import Writer

DEPLOY = Path(settings.BASE_DIR) / "deploy"

CONDITIONAL = {
    "one_writer_last_backup_timestamp_seconds",  # once there is a backup
    "one_writer_redis_memory_limit_bytes",  # where Redis has one
}


def samples(body: str) -> dict[str, float]:
    """Return the metrics that have a value each, by name and labels."""
    return {
        one.name + "".join(f",{key}={value}" for key, value in sorted(one.labels.items())): one.value
        for family in text_format.text_string_to_metric_families(body)
        for one in family.samples
    }


@pytest.fixture
def counted(writer: Writer) -> dict[str, float]:
    """Return the metrics after three writes of different outcomes."""
    accepted("a")
    for function in ("jottings.add_then_raise", "jottings.add_then_reject"):
        submit(function, {"text": "no"}, announced=False).accepted()
    writer.drain()
    writer._heartbeat._renewed = 0.0
    writer._heartbeat.renew(committed=0)
    accepted("b")
    return samples(exposition().body.decode())


def test_the_figures_are_those_that_the_writer_measured(counted: dict[str, float]) -> None:
    totals = reading.totals()

    for status in ("committed", "rejected", "failed"):
        assert counted[f"one_writer_writes_total,status={status}"] == getattr(totals, status) == 1
    assert counted["one_writer_queue_wait_seconds_count"] == 3
    assert counted["one_writer_queue_wait_seconds_sum"] == pytest.approx(totals.wait.sum)
    assert counted["one_writer_queue_wait_seconds_bucket,le=+Inf"] == 3
    assert counted["one_writer_batch_writes_bucket,le=2.0"] == 0
    assert counted["one_writer_batch_writes_bucket,le=5.0"] == 1
    assert counted["one_writer_batches_total"] == counted["one_writer_writer_starts_total"] == 1
    assert counted["one_writer_writer_up"] == counted["one_writer_writer_can_commit"] == 1
    assert counted["one_writer_redis_up"] == 1
    assert counted["one_writer_waiting_writes"] == 1
    assert counted["one_writer_oldest_wait_seconds"] > 0
    assert counted["one_writer_last_commit_timestamp_seconds"] <= timezone.now().timestamp()


def test_names_and_types_are_as_prometheus_wants_them(counted: dict[str, float]) -> None:
    text, asked = exposition(), exposition("application/openmetrics-text; version=1.0.0")

    assert text.content_type.startswith("text/plain")
    assert asked.content_type.startswith("application/openmetrics-text")
    families = list(openmetrics.text_string_to_metric_families(asked.body.decode()))  # which is strict
    assert [one.name for one in families] == [
        one.name for one in text_format.text_string_to_metric_families(text.body.decode())
    ]
    assert len({one.name for one in families}) == len(families)
    for family in families:
        assert re.fullmatch(r"one_writer(_[a-z]+)+", family.name)
        assert family.documentation.endswith(".")
        assert not re.search(r"_(milliseconds|ms|kb|mb|minutes|count|total)$", family.name)


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["abc", "1..0", "1.x", "99.9", "", "0.0.1 ; version=é"])
def test_a_version_that_is_not_made_is_passed_over(clean_redis: redis.Redis, version: str) -> None:
    for kind in ("application/openmetrics-text", "text/plain"):
        alone = exposition(f"{kind}; version={version}; escaping=underscores")
        chosen = exposition(
            f"{kind};version={version};q=0.9, application/openmetrics-text; version=1.0.0;q=0.5"
        )

        assert alone.content_type.startswith("text/plain; version=0.0.4")
        assert chosen.content_type.startswith("application/openmetrics-text; version=1.0.0")


def test_there_are_so_many_series_and_never_more(counted: dict[str, float]) -> None:
    labels = {key for name in counted for key in re.findall(r",(\w+)=", name)}

    assert labels == {"status", "le"}
    assert len(counted) < 180


@pytest.mark.django_db
def test_without_redis_the_rest_is_told_and_redis_is_said_to_be_down(monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(timeout_seconds=1, url="unix:///nowhere/redis.sock") as nowhere:
        for module in ("operations.status", "operations.sizes", "measures.reading", "metrics.collector"):
            monkeypatch.setattr(f"workers.{module}.shared_client", lambda: nowhere)
        found = samples(exposition().body.decode())

    assert found["one_writer_redis_up"] == 0
    assert not [name for name in found if "writes_total" in name or "writer_up" in name]
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        assert found["one_writer_disk_free_bytes"] > 0


def test_a_backup_has_its_moment(counted: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "one_writer_last_backup_timestamp_seconds" not in counted
    found = {name: getattr(sizes(), name) for name in Sizes.__slots__} | {"newest_backup_at": 1.7e9}
    monkeypatch.setattr("workers.metrics.collector.sizes", lambda: Sizes(**found))

    assert samples(exposition().body.decode())["one_writer_last_backup_timestamp_seconds"] == 1.7e9


def get(**headers: Any) -> Any:
    return APIClient().get("/metrics", **headers)


def reader(name: str, *permissions: str, scope: str) -> dict[str, str]:
    """Return the header of a token of a user with these permissions."""
    user = User.objects.create_user(name)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    token = tokens.create(user, scope=scope, days=1)
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


@pytest.mark.django_db
def test_it_is_for_who_may_view_receipts_and_for_nobody_else(clean_redis: redis.Redis) -> None:
    assert get().status_code == 401
    assert get(**reader("eve", scope="write")).status_code == 403
    response = get(
        **reader("prometheus", "view_receipt", scope="read"), HTTP_ACCEPT="text/plain;version=0.0.4"
    )

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    assert b"one_writer_redis_up 1.0" in response.content


@pytest.mark.django_db
def test_it_is_for_the_addresses_that_are_named(clean_redis: redis.Redis) -> None:
    networks = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::7/128")]
    with override_settings(METRICS_ADDRESSES=networks):
        assert get(REMOTE_ADDR="127.0.0.1").status_code == 401
        assert get(REMOTE_ADDR="10.1.2.3").status_code == 200
        assert get(REMOTE_ADDR="::ffff:10.1.2.3").status_code == 200
        assert get(REMOTE_ADDR="fd00::7").status_code == 200
        assert get(REMOTE_ADDR="fd00::8").status_code == 401
        assert get(REMOTE_ADDR="").status_code == 401
        # It came through a proxy that nobody has told of: everybody has its address.
        assert get(REMOTE_ADDR="10.1.2.3", HTTP_X_FORWARDED_FOR="203.0.113.9").status_code == 401
        assert get(REMOTE_ADDR="10.1.2.3", HTTP_FORWARDED="for=203.0.113.9").status_code == 401
        with override_settings(PROXIES=1):
            assert get(REMOTE_ADDR="10.1.2.3", HTTP_X_FORWARDED_FOR="203.0.113.9").status_code == 401
            assert get(REMOTE_ADDR="10.1.9.9", HTTP_X_FORWARDED_FOR="evil, 10.1.2.3").status_code == 200


def expressions() -> Iterator[str]:
    """Yield all that is asked of Prometheus in this repository."""
    [group] = yaml.safe_load((DEPLOY / "prometheus" / "one-writer.rules.yml").read_text())["groups"]
    yield from (rule["expr"] for rule in group["rules"])
    dashboard = json.loads((DEPLOY / "grafana" / "one-writer.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query")


@pytest.mark.sqlite  # the sizes of its files
def test_every_metric_that_rules_and_dashboard_ask_for_is_there(counted: dict[str, float]) -> None:
    told = {name.partition(",")[0] for name in counted} | CONDITIONAL
    asked = {name for one in expressions() for name in re.findall(r"\bone_writer_\w+", one)}

    assert len(asked) > 20
    assert asked - told == set()


def test_each_rule_says_what_is_wrong_how_bad_it_is_and_what_to_do() -> None:
    [group] = yaml.safe_load((DEPLOY / "prometheus" / "one-writer.rules.yml").read_text())["groups"]
    manual = (Path(settings.BASE_DIR) / "docs" / "metrics.md").read_text()

    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert f"`{rule['alert']}`" in manual
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "one-writer.json").read_text())
    taken: set[tuple[int, int]] = set()

    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_metric_is_documented(counted: dict[str, float]) -> None:
    manual = (Path(settings.BASE_DIR) / "docs" / "metrics.md").read_text()
    families = {one.name for one in text_format.text_string_to_metric_families(exposition().body.decode())}

    assert {name for name in families if f"`{name.removeprefix('one_writer_')}" not in manual} == set()


def test_prometheus_takes_rules_configuration_and_metrics(counted: dict[str, float]) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not on PATH: Debian has it in the package prometheus")
    folder = DEPLOY / "prometheus"
    for given, *command in (
        ("", "rules", str(folder / "one-writer.rules.yml")),
        ("", "config", "--syntax-only", str(folder / "prometheus.yml")),
        (exposition().body.decode(), "metrics"),
    ):
        run = subprocess.run([promtool, "check", *command], input=given, capture_output=True, text=True)
        assert run.returncode == 0, (command, run.stdout, run.stderr)
