"""Parts of the service killed, frozen or restarted; Redis that stalls or cuts its connections."""

import signal
import subprocess
import time
from contextlib import suppress
from random import Random

import redis

from tests import forks
from tests.torture import hooked_writer
from tests.torture.harness import Skipped, TorturedService
from tests.waiting import until

GRACE_SECONDS = 30.0


def kill_writer(service: TorturedService, chance: Random) -> str:
    part = service.part_at_work()
    service.restart(part)
    return part


def kill_standby(service: TorturedService, chance: Random) -> str:
    part = "standby" if service.part_at_work() == "writer" else "writer"
    service.restart(part)
    return part


def kill_both_workers(service: TorturedService, chance: Random) -> str:
    for part in ("writer", "standby"):
        service.restart(part)
    return ""


def kill_writer_at_a_moment(service: TorturedService, chance: Random) -> str:
    """Have the writer die before COMMIT, between it and the announcement, or before the acknowledgement."""
    moment = chance.choice(hooked_writer.MOMENTS)
    flag = service.hooks / moment
    flag.touch()
    try:
        until(lambda: not flag.exists(), seconds=3)
    except AssertionError:
        flag.unlink(missing_ok=True)
        raise Skipped("no batch within 3 s") from None
    dead = [part for part in ("writer", "standby") if _ended(service.processes[part])]
    for part in dead:
        service.start(part)
    return f"{moment} {'+'.join(dead)}"


def freeze_writer(service: TorturedService, chance: Random) -> str:
    part = service.part_at_work()
    return _freeze(service, part, chance)


def restart_writer(service: TorturedService, chance: Random) -> str:
    return _restart_gracefully(service, service.part_at_work())


def run_a_second_worker(service: TorturedService, chance: Random) -> str:
    """Start one more worker, then kill the one at work, so that one of the others takes over."""
    service.start("extra")
    time.sleep(chance.uniform(1, 3))
    killed = service.part_at_work()
    if killed != "extra":
        service.restart(killed)
    time.sleep(chance.uniform(0.5, 2))
    service.kill("extra")
    return killed


def kill_web(service: TorturedService, chance: Random) -> str:
    service.restart("web")
    return ""


def kill_web_child(service: TorturedService, chance: Random) -> str:
    children = service.web_children()
    if not children:
        raise Skipped("no child at the moment")
    child = chance.choice(children)
    child.kill()
    return str(child.pid)


def freeze_web(service: TorturedService, chance: Random) -> str:
    return _freeze(service, "web", chance)


def freeze_web_child(service: TorturedService, chance: Random) -> str:
    children = service.web_children()
    if not children:
        raise Skipped("no child at the moment")
    child, seconds = chance.choice(children), chance.uniform(0.2, 2)
    child.suspend()
    time.sleep(seconds)
    child.resume()
    return f"{seconds:.1f} s"


def restart_web(service: TorturedService, chance: Random) -> str:
    return _restart_gracefully(service, "web")


def reload_web(service: TorturedService, chance: Random) -> str:
    service.processes["web"].send_signal(signal.SIGHUP)
    return ""


def kill_redis(service: TorturedService, chance: Random) -> str:
    service.restart("redis")
    return ""


def freeze_redis(service: TorturedService, chance: Random) -> str:
    return _freeze(service, "redis", chance)


def restart_redis(service: TorturedService, chance: Random) -> str:
    return _restart_gracefully(service, "redis")


def stall_redis(service: TorturedService, chance: Random) -> str:
    """Have Redis take commands and answer late."""
    seconds = chance.uniform(0.2, 2)
    _command(service, "CLIENT", "PAUSE", str(round(seconds * 1000)), "ALL")
    time.sleep(seconds)
    return f"{seconds:.1f} s"


def fill_redis(service: TorturedService, chance: Random) -> str:
    """Leave Redis no memory for a while: with `noeviction` it refuses whatever needs more."""
    seconds = chance.uniform(0.2, 2)
    _command(service, "CONFIG", "SET", "maxmemory", "1")
    try:
        time.sleep(seconds)
    finally:
        _command(service, "CONFIG", "SET", "maxmemory", "0")
    return f"{seconds:.1f} s"


def cut_connections(service: TorturedService, chance: Random) -> str:
    """Have Redis close everybody's connection."""
    _command(service, "CLIENT", "KILL", "TYPE", "normal")
    _command(service, "CLIENT", "KILL", "TYPE", "pubsub")
    return ""


def _ended(process: forks.Process) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.3)
    return process.poll() is not None


def _freeze(service: TorturedService, part: str, chance: Random) -> str:
    seconds = chance.uniform(0.2, 2)
    service.signal(part, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        service.signal(part, signal.SIGCONT)
    return f"{part} {seconds:.1f} s"


def _restart_gracefully(service: TorturedService, part: str) -> str:
    """Stop a part as an operator does and start it again; kill it when it does not stop."""
    process = service.processes[part]
    process.terminate()
    started = time.monotonic()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        service.restart(part)
        raise Skipped(f"{part} did not stop within {GRACE_SECONDS:g} s, killed") from None
    service.start(part)
    return f"{part} stopped with {process.returncode} in {time.monotonic() - started:.1f} s"


def _command(service: TorturedService, *words: str) -> None:
    try:
        with service.redis() as client:
            client.execute_command(*words)
    except redis.ConnectionError:
        return  # its own connection was among those cut
    except redis.RedisError as exc:
        raise Skipped(repr(exc)) from exc
