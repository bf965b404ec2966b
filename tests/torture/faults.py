"""The faults that the nemesis can force, by name and weight.

Each is a function that leaves the service able to recover. It returns what is worth noting, or raises Skipped
when it could not be forced here and now.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.e2e.service import BASE_DIR
from tests.torture import faults_of_processes as processes
from tests.torture import faults_of_the_store as store
from tests.torture.harness import TorturedService

Force = Callable[[TorturedService, Random], str]

OFTEN: tuple[Force, ...] = (
    processes.kill_writer,
    processes.kill_writer_at_a_moment,
    processes.freeze_writer,
    processes.kill_redis,
    processes.kill_web_child,
)
SOMETIMES: tuple[Force, ...] = (
    processes.kill_standby,
    processes.kill_both_workers,
    processes.restart_writer,
    processes.run_a_second_worker,
    processes.kill_web,
    processes.freeze_web,
    processes.freeze_web_child,
    processes.restart_web,
    processes.reload_web,
    processes.freeze_redis,
    processes.restart_redis,
    processes.stall_redis,
    processes.fill_redis,
    processes.cut_connections,
    store.lock_store,
    store.migrate,
    store.run_a_command_that_writes,
    store.kill_a_command_that_writes,
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind of fault."""

    name: str
    force: Force
    weight: int = 1
    """How often it comes up in one deal of all kinds."""


def all_faults(*, has_small_disk: bool) -> list[Fault]:
    """Return the kinds of fault that can be forced on this machine."""
    forces = [*OFTEN, *SOMETIMES]
    if has_small_disk:
        forces.append(store.fill_disk)
    commands = BASE_DIR / "workers" / "management" / "commands"
    if all((commands / f"{name}.py").exists() for name in ("pause", "resume")):
        forces.append(store.pause_writer)
    return [
        Fault(name=force.__name__.replace("_", " "), force=force, weight=2 if force in OFTEN else 1)
        for force in forces
    ]
