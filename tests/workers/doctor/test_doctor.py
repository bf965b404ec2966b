"""Each finding is forced on a real store, a real Redis or with the plain values that it is judged by."""

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from tests.waiting import until
from tests.workers.writer_process import READER, lease_held, running
from workers import doctor, release_command_lease, submit
from workers.checks import check_file_system, check_sqlite_version
from workers.doctor import Finding, Level, disk, host, redis_server, sqlite_store, write_path
from workers.store.lease.command import command_lease
from workers.store.roles import Role
from workers.stream import heartbeat, pauses
from workers.stream.heartbeat import Heartbeat
from workers.writer.loop import Writer

GIB = 1024**3
MIB = 1024**2

REWRITES = ("aof_rewrite_in_progress", "aof_rewrite_scheduled")


def examined(*, full: bool = False) -> dict[str, Finding]:
    return {finding.name: finding for finding in doctor.examine(full=full)}


@pytest.fixture
def at_work(writer: Writer) -> Writer:
    """A writer at work in this process, which holds the lease as a command would."""
    command_lease.take()
    writer.drain()
    return writer


@pytest.fixture
def store(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lets doctor look at a store of the test's own; there is none yet."""
    path = tmp_path / "store.sqlite3"
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    return path


def make_store(path: Path, *, journal_mode: str = "wal") -> None:
    with sqlite3.connect(path) as made:
        made.execute(f"PRAGMA journal_mode = {journal_mode}")
        made.execute("CREATE TABLE numbers (number INTEGER, text TEXT)")
        made.execute("CREATE INDEX by_text ON numbers (text)")
        made.executemany("INSERT INTO numbers VALUES (?, ?)", [(n, f"text {n}" * 20) for n in range(1_000)])
    made.close()


@contextmanager
def redis_option(client: redis.Redis, **options: str) -> Iterator[None]:
    """Set options of the real Redis while the block runs."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    before = {name: str(client.config_get(name)[name]) for name in named}
    try:
        for name, value in named.items():
            client.config_set(name, value)
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)
        # Until the log is whole again, Redis does not obey the SIGTERM that ends the tests.
        until(
            lambda: not any(client.info("persistence")[name] for name in REWRITES), what="the log to be whole"
        )


# The whole


def test_a_service_at_work_has_no_errors(at_work: Writer) -> None:
    output = StringIO()
    call_command("doctor", "--json", stdout=output)

    state = json.loads(output.getvalue())
    assert state["errors"] == 0
    by_name = {finding["name"]: finding for finding in state["findings"]}
    assert by_name["writer"]["msg"].startswith(f"pid {os.getpid()} on ")
    assert by_name["redis.persistence"]["level"] == "ok"
    assert by_name["store.writer"]["msg"].startswith("journal_mode=wal synchronous=FULL")
    assert len(by_name) == len(state["findings"])


def test_every_warning_and_error_has_a_remedy_and_the_exit_status_tells_of_errors(
    store: Path, clean_redis: redis.Redis
) -> None:
    output = StringIO()
    with pytest.raises(CommandError, match=r"^Needs attention: store, writer\.$"):
        call_command("doctor", "--json", stdout=output)

    for finding in json.loads(output.getvalue())["findings"]:
        assert bool(finding["hint"]) == (finding["level"] not in {"ok", "info"})


def test_the_table_shows_findings_and_remedies(store: Path, clean_redis: redis.Redis) -> None:
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=output)

    assert "Make it with `manage.py migrate`." in output.getvalue()
    assert "2 errors, " in output.getvalue()


@pytest.mark.django_db
def test_without_redis_the_store_and_the_lease_are_examined_all_the_same() -> None:
    with override_settings(REDIS_URL="unix:///nowhere/redis.sock"):
        found = examined()

    assert found["redis"].level is Level.ERROR
    assert "Start it" in found["redis"].hint
    assert found["store.integrity"].level is Level.OK
    assert found["lease"].level is Level.OK


def test_looking_writes_neither_the_store_nor_its_log(store: Path, tmp_path: Path) -> None:
    """Given what a crash leaves behind, which the next ordinary connection would recover and check in."""
    origin = tmp_path / "origin.sqlite3"
    make_store(origin)
    with sqlite3.connect(origin) as open_store:
        open_store.execute("DELETE FROM numbers WHERE number > 500")
        open_store.commit()
        for suffix in ("", "-wal"):
            shutil.copy(f"{origin}{suffix}", f"{store}{suffix}")
    open_store.close()
    files = [store, Path(f"{store}-wal")]
    before = [file.read_bytes() for file in files]
    assert before[1]

    examined(full=True)

    assert [file.read_bytes() for file in files] == before
    assert not Path(f"{store}.lease").exists()


# The store


@pytest.mark.parametrize(
    ("version", "has_bug"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
    ],
)
def test_the_wal_reset_bug_is_known_by_version(version: sqlite_store.Version, has_bug: bool) -> None:
    finding = sqlite_store.judge_version(version)

    assert sqlite_store.has_reset_bug(version) is has_bug
    assert finding.level is (Level.INFO if has_bug else Level.OK)
    assert ("No other program may write the store." in finding.msg) is has_bug


def test_a_store_that_is_not_in_wal_mode_is_an_error(store: Path) -> None:
    make_store(store, journal_mode="delete")

    finding = examined()["store.writer"]

    assert finding.level is Level.ERROR
    assert "run `manage.py migrate`" in finding.hint
    with sqlite3.connect(store) as made:
        assert made.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    made.close()


@pytest.mark.parametrize(
    ("role", "changed", "level", "hint"),
    [
        (Role.WRITER, {"journal_mode": "delete"}, Level.ERROR, "Run `manage.py migrate`."),
        (Role.WRITER, {"synchronous": 0}, Level.ERROR, "Set WRITE_SYNCHRONOUS=FULL."),
        (Role.COMMAND, {"synchronous": 1}, Level.WARNING, "Set WRITE_SYNCHRONOUS=FULL."),
        (Role.WEB, {"synchronous": 1}, Level.OK, ""),
        (Role.WEB, {"query_only": 0}, Level.ERROR, "Remove query_only from DATABASES."),
    ],
)
def test_pragmas_that_break_a_promise_are_found(
    role: Role, changed: dict[str, Any], level: Level, hint: str
) -> None:
    fine = {
        "journal_mode": "wal",
        "synchronous": 2,
        "query_only": 1,
        "wal_autocheckpoint": 0,
        "busy_timeout": 1,
    }

    finding = sqlite_store.judge_pragmas(role, fine | changed)

    assert (finding.level, finding.hint) == (level, hint)


@pytest.mark.django_db
def test_a_writer_that_is_not_durable_is_a_warning() -> None:
    with override_settings(WRITE_SYNCHRONOUS="NORMAL"):
        finding = sqlite_store.as_role(Role.WRITER)

    assert finding.level is Level.WARNING
    assert "synchronous=NORMAL" in finding.msg


def test_migrations_to_be_applied_are_an_error(store: Path) -> None:
    make_store(store)

    finding = examined()["store.migrations"]

    assert finding.level is Level.ERROR
    assert finding.hint == "Run `manage.py migrate`."


def test_a_damaged_store_is_an_error(store: Path) -> None:
    make_store(store)
    with store.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096)

    finding = examined()["store.integrity"]

    assert finding.level is Level.ERROR
    assert "restore a backup" in finding.hint


def test_an_index_that_lost_its_rows_is_found_by_the_full_check_alone(store: Path) -> None:
    make_store(store)
    with sqlite3.connect(store) as made:
        # SQLite is told that the index is on another column: each part is well-formed by itself.
        made.execute("PRAGMA writable_schema = ON")
        made.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX by_text ON numbers (number)' WHERE name = 'by_text'"
        )
    made.close()

    assert sqlite_store.integrity(full=False).level is Level.OK
    assert sqlite_store.integrity(full=True).level is Level.ERROR


def test_what_is_no_store_at_all_is_an_error(store: Path) -> None:
    store.write_bytes(b"not a database, however long one looks at it" * 100)

    finding = examined()["store.web"]

    assert finding.level is Level.ERROR
    assert "restore a backup" in finding.hint


# The disk and the machine


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.ceph-fuse", "ceph"]
)
def test_a_network_file_system_is_an_error(kind: str) -> None:
    finding = disk.judge_file_system(kind)

    assert finding.level is Level.ERROR
    assert "local disk" in finding.hint


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("ext4", Level.OK),
        (None, Level.OK),
        ("tmpfs", Level.WARNING),
        ("overlay", Level.WARNING),
        ("virtiofs", Level.WARNING),
        ("fuse.unheard-of", Level.WARNING),
    ],
)
def test_other_file_systems_are_judged_by_what_they_keep(kind: str | None, level: Level) -> None:
    assert disk.judge_file_system(kind).level is level


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/export /srv nfs4 rw 0 0
/dev/vdb /srv/local\\040disk xfs rw 0 0
/dev/vdc /data ext4 rw 0 0
tmpfs /data tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/store", "ext4"),
        ("/srv/store", "nfs4"),
        ("/srvant/store", "ext4"),
        ("/srv/local disk/store", "xfs"),
        ("/data/store", "tmpfs"),
    ],
)
def test_the_deepest_and_latest_mount_tells_the_file_system(path: str, kind: str) -> None:
    assert disk.file_system_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (100 * MIB - 1, 100 * GIB, Level.ERROR),
        (100 * MIB, 100 * GIB, Level.WARNING),
        (GIB - 1, 2 * GIB, Level.WARNING),
        (9 * GIB, 100 * GIB, Level.WARNING),
        (10 * GIB, 100 * GIB, Level.OK),
    ],
)
def test_little_space_is_said_before_there_is_none(free: int, total: int, level: Level) -> None:
    finding = disk.judge_space(free, total)

    assert finding.level is level
    assert finding.hint.startswith("Make room") is (level is not Level.OK)


def test_a_log_that_grew_past_its_limit_names_the_reader_that_keeps_it(store: Path) -> None:
    make_store(store)
    with running(READER, says="reads") as reader:
        os.truncate(f"{store}-wal", 65 * MIB)
        found = {finding.name: finding for finding in host.examine(store)}

    assert found["store.log"].level is Level.WARNING
    assert "End the long reader" in found["store.log"].hint
    assert f"pid {reader.pid}, " in found["store.log"].msg
    assert f"pid {reader.pid}, " in found["store.readers"].msg
    assert str(reader.pid) in found["store.open_by"].msg


def test_a_lock_that_is_waited_for_or_on_another_file_is_no_reader() -> None:
    locks = (
        "1: POSIX  ADVISORY  READ 11 fe:00:77 124 124\n"
        "1: -> POSIX  ADVISORY  READ 12 fe:00:77 124 124\n"
        "2: POSIX  ADVISORY  READ 13 fe:00:78 124 124\n"
        "3: POSIX  ADVISORY  READ 14 fe:00:77 128 128\n"
        "4: FLOCK  ADVISORY  WRITE 15 fe:00:77 0 EOF\n"
        "5: POSIX  ADVISORY  WRITE 16 fe:00:77 120 120\n"
    )

    assert host.readers_in(locks, 77) == {11}


# Redis


@pytest.mark.parametrize(
    ("option", "name", "level", "hint"),
    [
        (
            {"appendonly": "no"},
            "redis.persistence",
            Level.ERROR,
            "Set `appendonly yes` and `appendfsync always`",
        ),
        ({"appendfsync": "no"}, "redis.persistence", Level.ERROR, "Set `appendfsync always`"),
        ({"appendfsync": "everysec"}, "redis.persistence", Level.WARNING, "Set `appendfsync always`"),
        (
            {"no_appendfsync_on_rewrite": "yes"},
            "redis.rewrite",
            Level.WARNING,
            "no-appendfsync-on-rewrite no",
        ),
        ({"maxmemory_policy": "allkeys-lru"}, "redis.eviction", Level.WARNING, "maxmemory-policy noeviction"),
        (
            {"maxmemory_policy": "allkeys-lru", "maxmemory": "1gb"},
            "redis.eviction",
            Level.ERROR,
            "maxmemory-policy noeviction",
        ),
    ],
)
def test_an_option_of_redis_that_can_lose_accepted_writes_is_found(
    clean_redis: redis.Redis, option: dict[str, str], name: str, level: Level, hint: str
) -> None:
    with redis_option(clean_redis, **option):
        found = {finding.name: finding for finding in redis_server.examine(clean_redis)}

    assert found[name].level is level
    assert hint in found[name].hint


def test_everysec_is_named_with_what_it_can_lose(clean_redis: redis.Redis) -> None:
    with redis_option(clean_redis, appendfsync="everysec"):
        found = {finding.name: finding for finding in redis_server.examine(clean_redis)}

    assert "power loss can lose the writes accepted in the last second" in found["redis.persistence"].msg


def test_where_config_is_not_permitted_that_is_said_and_the_rest_examined(clean_redis: redis.Redis) -> None:
    clean_redis.execute_command("ACL", "SETUSER", "plain", "on", "nopass", "~*", "&*", "+@all", "-config")
    try:
        path = clean_redis.connection_pool.connection_kwargs["path"]
        with redis.Redis(unix_socket_path=path, username="plain", password="any") as client:
            found = {finding.name: finding for finding in redis_server.examine(client)}
    finally:
        clean_redis.execute_command("ACL", "DELUSER", "plain")

    assert found["redis.config"].level is Level.WARNING
    assert "config|get" in found["redis.config"].hint
    assert "redis.persistence" not in found
    assert found["redis.eviction"].level is Level.OK


@pytest.mark.parametrize(
    ("used", "limit", "level"),
    [(95, 100, Level.ERROR), (80, 100, Level.WARNING), (79, 100, Level.OK), (500, 0, Level.OK)],
)
def test_memory_that_runs_out_is_said(used: int, limit: int, level: Level) -> None:
    finding = redis_server.judge_memory(used, limit)

    assert finding.level is level
    assert finding.hint.startswith("Raise maxmemory") is (level is not Level.OK)


@pytest.mark.parametrize(
    ("version", "level"),
    [("6.0.16", Level.ERROR), ("6.2.0", Level.OK), ("7.2.4", Level.OK), ("10.0", Level.OK)],
)
def test_a_redis_that_is_too_old_is_an_error(version: str, level: Level) -> None:
    finding = redis_server.judge_version(version)

    assert finding.level is level
    assert ("Use Redis 6.2 or newer" in finding.hint) is (level is Level.ERROR)


@pytest.mark.parametrize(
    ("skew", "words"), [(0.9, "Within"), (-0.9, "Within"), (1.5, "1.5 s ahead of"), (-2.0, "2.0 s behind")]
)
def test_a_clock_that_is_off_is_said(skew: float, words: str) -> None:
    finding = redis_server.judge_clock(skew)

    assert words in finding.msg
    assert ("NTP" in finding.hint) is (abs(skew) > 1)


def test_an_append_only_file_that_cannot_be_written_is_an_error() -> None:
    finding = redis_server.judge_log_state({"aof_last_write_status": "err"})

    assert finding.level is Level.ERROR
    assert "Make room on Redis's disk" in finding.hint
    assert redis_server.judge_log_state({"aof_last_bgrewrite_status": "err"}).level is Level.WARNING


# The write path


@pytest.mark.django_db(transaction=True)
def test_without_a_writer_that_is_an_error(clean_redis: redis.Redis) -> None:
    release_command_lease()

    finding = examined()["writer"]

    assert finding.level is Level.ERROR
    assert finding.hint.startswith("Start one: `manage.py up`")


@pytest.mark.django_db(transaction=True)
def test_a_pause_is_shown_and_excuses_the_writer(clean_redis: redis.Redis) -> None:
    pauses.request(clean_redis, pauses.PauseKind.OPERATOR, pauses.Pause(by="Ada", until=2e9), seconds=60)

    found = examined()

    assert found["writer.pause"].level is Level.WARNING
    assert found["writer.pause"].msg.startswith("Ada asks for a pause, until 2033-05-18")
    assert "`manage.py resume`" in found["writer.pause"].hint
    assert found["writer"].level is Level.OK


def test_a_writer_that_cannot_commit_is_an_error(at_work: Writer, clean_redis: redis.Redis) -> None:
    Heartbeat(clean_redis).renew(committed=0, error="database or disk is full")

    finding = examined()["writer"]

    assert finding.level is Level.ERROR
    assert "database or disk is full" in finding.msg
    assert finding.hint.startswith("Remove the cause")


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_of_another_than_the_leases_holder_is_an_error(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_path, "HANDOVER_SECONDS", 0.0)
    writer.drain()

    with lease_held("writer") as other:
        finding = examined()["lease"]

    assert finding.level is Level.ERROR
    assert f"Held by writer (pid {other.pid}, " in finding.msg
    assert "WRITE_KEY_PREFIX of its own" in finding.hint


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_while_nobody_holds_the_lease_is_an_error(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_path, "HANDOVER_SECONDS", 0.0)
    writer.drain()
    release_command_lease()

    finding = examined()["lease"]

    assert finding.level is Level.ERROR
    assert finding.msg.startswith("Held by nobody; ")


@pytest.mark.django_db(transaction=True)
def test_a_dead_writer_is_given_time_to_be_forgotten(writer: Writer, clean_redis: redis.Redis) -> None:
    writer.drain()
    release_command_lease()
    clean_redis.pexpire("writes:writer", 300)

    assert examined()["lease"].level is Level.OK


@pytest.mark.django_db(transaction=True)
def test_a_holder_without_progress_is_a_warning(clean_redis: redis.Redis) -> None:
    with lease_held("writer"):
        finding = examined()["lease"]

    assert finding.level is Level.WARNING
    assert "kill that process" in finding.hint


@pytest.mark.django_db(transaction=True)
def test_a_command_with_the_lease_excuses_the_writer_and_is_a_warning_when_it_takes_long(
    clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lease_held("manage.py shell") as shell:
        shortly = examined()
        monkeypatch.setattr(write_path, "LONG_SECONDS", 0.0)
        long = examined()["lease"]
        without_redis = write_path.lease_without_redis()

    assert (shortly["writer"].level, shortly["lease"].level) == (Level.OK, Level.OK)
    assert "manage.py shell holds the lease" in shortly["writer"].msg
    assert long.level is without_redis.level is Level.WARNING
    assert long.msg.startswith(f"Held by manage.py shell (pid {shell.pid}, since ")
    assert long.hint.startswith("Wait until it ends")


@pytest.mark.django_db(transaction=True)
def test_a_stopped_command_is_a_warning_at_once_and_says_how_to_let_it_go_on(
    clean_redis: redis.Redis,
) -> None:
    with lease_held("manage.py dbshell") as stopped:
        os.kill(stopped.pid, signal.SIGSTOP)
        until(lambda: examined()["lease"].level is Level.WARNING, what="the stop to be seen")
        finding = examined()["lease"]

    assert f"`fg` in its terminal, or kill {stopped.pid}" in finding.hint


@pytest.mark.django_db(transaction=True)
def test_the_stream_is_measured_against_its_limit(clean_redis: redis.Redis) -> None:
    for number in range(4):
        submit("jottings.add", {"data": {"text": str(number)}}, announced=False).accepted()

    with override_settings(WRITE_STREAM_MAX_LENGTH=5):
        assert examined()["stream"].level is Level.WARNING
    with override_settings(WRITE_STREAM_MAX_LENGTH=4):
        finding = examined()["stream"]

    assert finding.level is Level.ERROR
    assert "New writes get 503." in finding.msg
    assert finding.hint.startswith("See the writer above.")


def test_a_write_that_waits_for_too_long_is_an_error() -> None:
    assert write_path.judge_stream(1, 30.0).level is Level.OK
    assert write_path.judge_stream(1, 30.1).level is Level.ERROR


def test_the_heartbeat_outlives_its_writer_for_less_than_doctor_waits() -> None:
    assert write_path.HANDOVER_SECONDS > heartbeat.LIFE_SECONDS


# The part that is cheap, as system checks


def test_a_store_on_a_network_file_system_is_a_failed_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("server:/export / nfs4 rw 0 0\n")
    monkeypatch.setattr(disk, "MOUNTS", mounts)

    [message] = check_file_system()

    assert message.id == "workers.E007"
    assert message.hint == disk.LOCAL_DISK


def test_a_store_on_a_local_disk_passes_the_check() -> None:
    assert check_file_system() == []


@pytest.mark.parametrize(("version", "ids"), [((3, 40, 1), ["workers.W002"]), ((3, 51, 3), [])])
def test_an_sqlite_with_the_wal_reset_bug_is_a_warning_of_a_check(
    monkeypatch: pytest.MonkeyPatch, version: sqlite_store.Version, ids: list[str]
) -> None:
    monkeypatch.setattr(sqlite_store, "library_version", lambda: version)

    found = check_sqlite_version()

    assert [message.id for message in found] == ids
    assert all(message.hint for message in found)
