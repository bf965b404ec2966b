"""A forked program is what it would be in a Python of its own: its arguments, environment, files and end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forks
from tests.e2e.service import BASE_DIR

SHOW = """
import json, os, sys
loaded = {"django.db.models", "project", "items", "workers"} & set(sys.modules)
given = os.environ.get("GIVEN")
print(json.dumps([__name__, sys.argv[1:], os.getcwd(), given, sorted(loaded), sys.stdin.read()]))
print("to the other", file=sys.stderr)
sys.exit(3)
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return forks.run([sys.executable, *arguments], env=os.environ | environment, cwd=BASE_DIR)


@pytest.mark.parametrize("way", ["program", "module", "script"])
def test_it_has_what_it_was_given_and_nothing_of_the_project(tmp_path: Path, way: str) -> None:
    (tmp_path / "show.py").write_text(SHOW)
    first = {"program": ["-c", SHOW], "module": ["-m", "show"], "script": ["show.py"]}[way]

    done = forks.run(
        [sys.executable, *first, "--flag", "last"], env=os.environ | {"GIVEN": "é"}, cwd=tmp_path
    )

    given = f'["__main__", ["--flag", "last"], "{tmp_path}", "\\u00e9", ["django.db.models"], ""]\n'
    assert (done.returncode, done.stdout, done.stderr) == (3, given, "to the other\n")


def test_its_environment_is_no_other_programs() -> None:
    assert run("-c", "import os; print(os.environ['GIVEN'])", GIVEN="x").stdout == "x\n"
    assert run("-c", "import os; print(os.environ.get('GIVEN'))").stdout == "None\n"


@pytest.mark.parametrize(("variables", "is_there"), [({}, False), ({"WITH_PSYCOPG": "1"}, True)])
def test_what_it_would_not_find_is_not_there(variables: dict[str, str], is_there: bool) -> None:
    environment = {name: one for name, one in os.environ.items() if name != "DATABASE_URL"} | variables

    done = forks.run([sys.executable, "-c", "import psycopg"], env=environment, cwd=BASE_DIR)

    assert (done.returncode == 0) is is_there, done.stderr


@pytest.mark.parametrize("first", [["-I", "-c"], ["-c"]])
def test_what_python_itself_reads_has_its_effect(first: list[str]) -> None:
    done = run(*first, "import sys; print(sys.flags.isolated, sys.warnoptions)", PYTHONWARNINGS="error")

    assert done.stdout == ("1 []\n" if "-I" in first else "0 ['error']\n")


def test_a_program_is_started_without_a_fork_where_its_command_line_matters() -> None:
    show = ["-c", "print(open('/proc/self/cmdline').read().split(chr(0))[1])"]

    assert run(*show).stdout == f"{forks.SERVER}\n"
    assert run(*show, **{forks.WITHOUT: "1"}).stdout == "-c\n"


def test_it_talks_is_signalled_and_tells_how_it_ended() -> None:
    program = "for line in iter(input, ''): print('heard', line, flush=True)"
    with forks.talking([sys.executable, "-c", program], env=os.environ, cwd=BASE_DIR) as process:
        process.stdin.write("one\n")
        process.stdin.flush()
        assert process.stdout.readline() == "heard one\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0)
        process.terminate()
        assert process.wait(10) == process.poll() == -signal.SIGTERM
        process.kill()  # as with Popen: it is nobody any more


def test_a_program_that_fails_is_told_and_one_that_takes_too_long_is_killed() -> None:
    failing = [sys.executable, "-c", "raise SystemExit('said')"]
    with pytest.raises(subprocess.CalledProcessError) as failed:
        forks.run(failing, env=os.environ, cwd=BASE_DIR, check=True)
    assert (failed.value.returncode, failed.value.stderr) == (1, "said\n")

    waiting = [sys.executable, "-c", "import signal; signal.pause()"]
    with pytest.raises(subprocess.TimeoutExpired):
        forks.run(waiting, env=os.environ, cwd=BASE_DIR, timeout=0.1)
