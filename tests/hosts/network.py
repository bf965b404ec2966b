"""Hosts as network namespaces on one bridge: with an address, a name, and links that can be cut."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.service import BASE_DIR

PREFIX = "10.99.0"
"""Of all addresses. Nobody outside sees them: the bridge is in a namespace too."""

TABLE = """
add table ip cut
add set ip cut away {{ type ipv4_addr; }}
add chain ip cut input {{ type filter hook input priority 0; }}
add rule ip cut input ip saddr @away drop
"""

APART = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Runs a command in name spaces of its own: with it ends, by the kernel, whatever it started."""

NEEDED = ("ip", "nft", "unshare", "setpriv")


def unavailable() -> str | None:
    """Return why there can be no such hosts here, or None."""
    if not sys.platform.startswith("linux"):
        return "hosts are network namespaces, which only Linux has"
    if os.geteuid() != 0:
        return "network namespaces need root: run it with sudo"
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        return f"{', '.join(missing)} not found: install iproute2, nftables and util-linux"
    tried = subprocess.run(
        [*APART, "sh", "-c", "ip link add br0 type bridge && ip link add v0 type veth peer name v1"],
        capture_output=True,
        text=True,
    )
    return f"no bridge or veth can be made here: {tried.stderr.strip()}" if tried.returncode else None


def enter(arguments: Sequence[str]) -> int:
    """Run this program again in name spaces of its own, and return its exit status."""
    command = ["setpriv", "--pdeathsig", "KILL", *APART, sys.executable, "-m", "tests.hosts", "--inside"]
    return subprocess.run([*command, *arguments], cwd=BASE_DIR, check=False).returncode


def prepare() -> None:
    """Make the bridge, on which the caller has an address too. To be called in namespaces of one's own."""
    Path("/run/netns").mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "br0", "type", "bridge")
    _run("ip", "addr", "add", f"{PREFIX}.254/24", "dev", "br0")
    _run("ip", "link", "set", "br0", "up")


@dataclass
class Host:
    """One host and what runs on it."""

    name: str
    address: str
    home: Path
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @classmethod
    def make(cls, name: str, number: int, home: Path) -> "Host":
        host = cls(name, f"{PREFIX}.{number}", home / name)
        host.home.mkdir(mode=0o711)
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "set", f"to-{name}", "master", "br0", "up")
        _run("ip", "-n", name, "addr", "add", f"{host.address}/24", "dev", "eth0")
        _run("ip", "-n", name, "link", "set", "eth0", "up")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "netns", "exec", name, "nft", "-f", "-", text=TABLE.format())
        return host

    def command(self, command: Sequence[str], user: str | None = None) -> list[str]:
        """Return the command that runs another one on this host, as that user."""
        named = ["unshare", "--uts", "sh", "-c", f'hostname {self.name} && exec "$@"', "sh"]
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user else []
        return ["ip", "netns", "exec", self.name, *named, *as_user, *command]

    def start(
        self, part: str, command: Sequence[str], env: Mapping[str, str] | None = None, user: str | None = None
    ) -> None:
        with (self.home / f"{part}.log").open("ab") as log:
            self.processes[part] = subprocess.Popen(
                self.command(command, user),
                env=None if env is None else dict(env),
                cwd=BASE_DIR if user is None else self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, command: Sequence[str], user: str | None = None, seconds: float = 60) -> None:
        """Run a command to its end. Raises subprocess.SubprocessError."""
        subprocess.run(
            self.command(command, user), cwd=self.home, check=True, capture_output=True, timeout=seconds
        )

    def log(self, part: str) -> str:
        return (self.home / f"{part}.log").read_text(errors="replace")

    def count_of(self, part: str, text: str) -> int:
        """Return how often a part has said this."""
        return self.log(part).count(text) if (self.home / f"{part}.log").exists() else 0

    def kill(self, part: str) -> None:
        """Kill a part with all its processes. Its sockets are closed, as on any host that lives."""
        process = self.processes.pop(part)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def die(self) -> None:
        """Take the link away, then the processes: nobody hears of their end."""
        self._link("down")
        found = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=True)
        for pid in map(int, found.stdout.split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.processes.values():
            process.wait(10)
        self.processes.clear()

    def plug_in(self) -> None:
        self._link("up")

    def _link(self, state: str) -> None:
        _run("ip", "link", "set", f"to-{self.name}", state)

    def _ignore(self, verb: str, others: Sequence["Host"]) -> None:
        away = ", ".join(other.address for other in others)
        _run("ip", "netns", "exec", self.name, "nft", verb, "element", "ip", "cut", "away", f"{{ {away} }}")


def cut(host: Host, others: Sequence[Host]) -> None:
    """Drop all packets between a host and the others."""
    host._ignore("add", others)
    for other in others:
        other._ignore("add", [host])


def mend(host: Host, others: Sequence[Host]) -> None:
    host._ignore("delete", others)
    for other in others:
        other._ignore("delete", [host])


def _run(*command: str, text: str | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, input=text, check=False, timeout=20)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
