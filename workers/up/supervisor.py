"""Starts the processes of the service in order, restarts those that die, and stops all in reverse order.

Everything happens in one thread, which sleeps in a selector. A signal (SIGCHLD among them) or a line of a
process's output wakes it up. Readiness and health announce themselves by nothing, so they are polled.
"""

import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

from workers.up.child import Child
from workers.up.output import Console, LineReader
from workers.up.parent_death import exit_with_parent
from workers.up.process import Process, describe_exit

PROBE_INTERVAL_SECONDS = 0.05
WATCHDOG_INTERVAL_SECONDS = 1.0

#: A signal that follows the first one so soon counts as the same one: `timeout make run` signals its whole
#: group, and make passes its own on.
SAME_SIGNAL_SECONDS = 1.0

#: The name under which the supervisor itself speaks.
OWN_NAME = "up"


class Supervisor:
    """Runs processes until SIGINT, SIGTERM or SIGHUP. Use one per process, from the main thread.

    `keep_open` are file descriptors that all inherit. `on_start` hears each new process's name and id,
    `on_progress` the name of one that says that it makes progress.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        console: Console,
        cwd: Path,
        env: Mapping[str, str],
        keep_open: Sequence[int] = (),
        on_start: Callable[[str, int], None] = lambda name, pid: None,
        on_progress: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._children = [Child(process) for process in processes]
        self._console = console
        self._cwd = cwd
        self._env = env
        self._keep_open = tuple(keep_open)
        self._on_start = on_start
        self._on_progress = on_progress
        self._selector = selectors.DefaultSelector()
        self._pipes: set[IO[bytes]] = set()
        self._stop_signals = 0
        self._stop_signal_at = float("-inf")

    def run(self, on_ready: Callable[[Sequence[str]], None]) -> bool:
        """Start every process in order, call `on_ready`, and keep the processes running until told to stop.

        `on_ready` hears the names of the processes that were not ready in time.
        Returns True after an orderly stop, False when a second signal cut it short.
        """
        with self._signals_caught():
            try:
                for child in self._children:
                    self._start(child)
                    self._await_ready(child)
                if not self._stop_signals:
                    on_ready([child.process.name for child in self._children if not child.is_ready])
                while not self._stop_signals:
                    self._step()
            finally:
                self._stop_all()
        return self._stop_signals < 2

    # Starting

    def _start(self, child: Child) -> None:
        if self._stop_signals:
            return
        child.restart_at = None
        child.is_ready = False
        child.starts += 1
        child.started_at = child.probe_at = time.monotonic()
        try:
            self._listen(child)
            child.popen = self._spawn(child)
        except OSError as exc:
            self._schedule_restart(child, f"cannot be started ({exc})")
            return
        self._read_output(child.process, child.popen)
        self._on_start(child.process.name, child.popen.pid)

    def _listen(self, child: Child) -> None:
        """Hear of its progress, by a socket of its own for each start: what the former one said is past."""
        self._hear_no_more(child)
        notify_socket = child.open_notify_socket()
        if notify_socket is None:
            return

        def on_readable() -> None:
            if child.made_progress():
                self._on_progress(child.process.name)

        self._selector.register(notify_socket, selectors.EVENT_READ, on_readable)

    def _hear_no_more(self, child: Child) -> None:
        if child.notify_socket is not None:
            self._selector.unregister(child.notify_socket)
            child.close_notify_socket()

    def _spawn(self, child: Child) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            child.process.command,
            cwd=self._cwd,
            env={**self._env, **(child.notify_socket.environment if child.notify_socket else {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self._keep_open,
            # The terminal's Ctrl-C reaches the supervisor alone, which then stops the processes in order.
            start_new_session=True,
            preexec_fn=exit_with_parent(),
        )

    def _read_output(self, process: Process, popen: subprocess.Popen[bytes]) -> None:
        pipe = popen.stdout
        assert pipe is not None  # noqa: S101  # stdout=PIPE above

        def on_line(text: str) -> None:
            if text.strip() and not (process.hidden_output and process.hidden_output.search(text)):
                self._console.line(process.name, text)

        reader = LineReader(pipe.fileno(), on_line)

        def on_readable() -> None:
            # Until the pipe ends, not the process: children of the process may outlive it.
            if not reader.read():
                self._close(pipe)

        self._pipes.add(pipe)
        self._selector.register(pipe, selectors.EVENT_READ, on_readable)

    def _await_ready(self, child: Child) -> None:
        deadline = time.monotonic() + child.process.ready_seconds
        while not child.is_ready and not self._stop_signals:
            if time.monotonic() >= deadline:
                name, seconds = child.process.name, child.process.ready_seconds
                self._say(f"{name} is not ready after {seconds:g} s; going on")
                return
            self._step(until=deadline)

    # Running

    def _step(self, *, until: float | None = None) -> None:
        """Wait for something to happen, until the given time at most, and handle it."""
        self._handle_events(self._timeout(until))
        for child in self._children:
            if child.popen is not None and child.popen.poll() is not None:
                self._note_exit(child)
        if self._stop_signals:
            return
        for child in self._children:
            if child.restart_at is not None and child.restart_at <= time.monotonic():
                self._start(child)
            elif child.popen is not None and child.probe_at <= time.monotonic():
                self._probe(child, child.popen.pid)

    def _handle_events(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            key.data()

    def _timeout(self, until: float | None) -> float | None:
        times = [] if until is None else [until]
        for child in self._children if not self._stop_signals else ():
            if child.restart_at is not None:
                times.append(child.restart_at)
            elif not child.is_ready or child.process.watchdog_seconds is not None:
                times.append(child.probe_at)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _probe(self, child: Child, pid: int) -> None:
        now = time.monotonic()
        name, process = child.process.name, child.process
        child.probe_at = now + (WATCHDOG_INTERVAL_SECONDS if child.is_ready else PROBE_INTERVAL_SECONDS)
        if not child.is_ready:
            child.is_ready = process.is_ready(pid)
            if child.is_ready and child.starts > 1:
                seconds = time.monotonic() - child.started_at
                self._say(f"{name} is ready again, {seconds:.1f} s after its restart")
        if not child.hangs(now):
            return
        self._say(f"{name} has made no progress for {process.watchdog_seconds:g} s; killing it")
        # Not SIGTERM: a process that hangs does not run its signal handler either.
        child.kill_group(signal.SIGKILL)

    def _note_exit(self, child: Child) -> None:
        """Note that a process has ended; start it again unless everything is being stopped."""
        assert child.popen is not None  # noqa: S101  # the callers' condition
        status = child.popen.returncode
        self._handle_events(0)  # shows its last lines before the one that says it is gone
        # Workers that outlive gunicorn's arbiter would keep the port from its successor.
        child.kill_group(signal.SIGTERM)
        child.popen = None
        child.is_ready = False
        if self._stop_signals:
            how = "" if status == 0 else f" ({describe_exit(status)})"
            self._say(f"{child.process.name} stopped{how}")
        else:
            self._schedule_restart(child, f"died ({describe_exit(status)})")

    def _schedule_restart(self, child: Child, what: str) -> None:
        now = time.monotonic()
        delay = child.back_off.after(now - child.started_at)
        child.restart_at = now + delay
        when = f"in {delay:g} s" if delay else "at once"
        self._say(f"{child.process.name} {what}; starting it again {when}")

    # Stopping

    def _stop_all(self) -> None:
        # After an exception too: it must stop the processes as a signal does, in order.
        self._stop_signals = max(self._stop_signals, 1)
        for child in reversed(self._children):
            if child.popen is not None and self._stop_signals == 1:
                self._stop(child)
        for child in reversed(self._children):
            child.kill_group(signal.SIGKILL)
            while child.popen is not None:
                self._step()

    def _stop(self, child: Child) -> None:
        assert child.popen is not None  # noqa: S101  # the caller's condition
        self._say(f"stopping {child.process.name}")
        # Not its group: gunicorn stops its workers itself, in its own way.
        child.popen.terminate()
        deadline = time.monotonic() + child.process.grace_seconds
        while child.popen is not None and self._stop_signals == 1:
            if time.monotonic() >= deadline:
                grace = child.process.grace_seconds
                self._say(f"{child.process.name} did not stop within {grace:g} s; killing it")
                child.kill_group(signal.SIGKILL)
                deadline += grace
            self._step(until=deadline)

    def _close(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        self._pipes.discard(pipe)
        pipe.close()

    @contextmanager
    def _signals_caught(self) -> Iterator[None]:
        """Wake the selector for signals, and put everything back at the end."""
        receiver, sender = socket.socketpair()
        receiver.setblocking(False)
        sender.setblocking(False)
        self._selector.register(receiver, selectors.EVENT_READ, lambda: receiver.recv(4096))
        former_fd = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        handlers = {
            number: signal.signal(number, self._on_stop_signal)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            # Under nohup the end of the terminal must not stop anything.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        }
        # It does nothing, but without a handler the signal would not reach the wake-up descriptor.
        handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(former_fd)
            self._selector.unregister(receiver)
            receiver.close()
            sender.close()
            for pipe in list(self._pipes):
                self._close(pipe)
            for child in self._children:
                self._hear_no_more(child)
            self._selector.close()

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        # Counted here, not by the bytes of the wake-up descriptor: a child between fork and exec writes
        # to it as well.
        now = time.monotonic()
        if self._stop_signals != 1 or now - self._stop_signal_at >= SAME_SIGNAL_SECONDS:
            self._stop_signals += 1
            self._stop_signal_at = now

    def _say(self, text: str) -> None:
        self._console.line(OWN_NAME, text)
