"""Makes a child process end with its parent, however the parent ends."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def exit_with_parent() -> Callable[[], None] | None:
    """Return a `preexec_fn` for `subprocess.Popen` that has the child get SIGTERM when its parent dies.

    None on systems other than Linux, which cannot do it. The "parent" is the thread that starts the child, so
    call this in the main thread, which lives as long as the process.
    """
    if not sys.platform.startswith("linux"):
        return None
    # A preexec_fn is unsafe beside other threads, whose locks the child would inherit; the supervisor has no
    # other threads. A wrapper program that calls prctl and then execs would start a second interpreter at
    # each restart. What can be done before the fork is done here.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arrange() -> None:
        prctl(ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGTERM))
        # A parent that died before that call will send nothing.
        if os.getppid() != parent:
            os._exit(1)

    return arrange
