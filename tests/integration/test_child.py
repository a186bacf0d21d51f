"""Real processes of the POSIX launcher: `bind` is what Linux does, `keep` what macOS does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.fakes import doomed_app
from tests.fakes.processes import all_ended
from tray_app.system import trampoline
from tray_app.system.child import Child, Launch, lines_of
from tray_app.system.host import System
from tray_app.system.launcher import PosixLauncher, launcher_for
from tray_app.system.process import descendants, own_command, usage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")

PYTHON = (sys.executable, "-I", "-S", "-c")
SLEEP = "import threading; print('up', flush=True); threading.Event().wait()"
FORK = f"import subprocess, sys; p = subprocess.Popen([*{PYTHON!r}, {SLEEP!r}], start_new_session=True)\n"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
both_ways = pytest.mark.parametrize(
    "how", [pytest.param(trampoline.BIND, marks=linux_only), pytest.param(trampoline.KEEP)]
)


def start(how: str, tmp_path: Path, *argv: str) -> Child:
    return PosixLauncher(how).launch(Launch(argv, os.environ, tmp_path))


def finish(child: Child) -> tuple[list[str], int]:
    return list(lines_of(child)), child.wait()


@both_ways
def test_a_program_runs_in_its_folder_and_its_output_is_clean_text(how: str, tmp_path: Path) -> None:
    text = r"b'\x1b[1;31mred\x1b[0m \xff ' + os.fsencode(os.getcwd())"
    child = start(how, tmp_path, *PYTHON, f"import os, sys; sys.stdout.buffer.write({text})")
    assert finish(child) == ([f"red \ufffd {tmp_path}"], 0)


@both_ways
def test_arguments_arrive_as_they_are(how: str, tmp_path: Path) -> None:
    odd = ["two words", "モデル", "", "-x", "$HOME"]
    child = start(how, tmp_path, *PYTHON, "import sys; print(sys.argv[1:])", *odd)
    assert finish(child) == ([str(odd)], 0)


@both_ways
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(7)", 7),
        ("import os; os.abort()", -signal.SIGABRT),
        ("import os; os.kill(os.getpid(), 9)", -9),
    ],
)
def test_the_exit_code_is_that_of_the_program(how: str, tmp_path: Path, code: str, expected: int) -> None:
    assert finish(start(how, tmp_path, *PYTHON, code)) == ([], expected)


@both_ways
def test_a_program_that_cannot_be_run_says_why(how: str, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no program")
    gone = tmp_path / "gone"
    assert finish(start(how, tmp_path, str(text))) == (
        [f"exec-child: cannot run {text}: Permission denied"],
        126,
    )
    lines, code = finish(start(how, tmp_path, str(gone)))
    assert (lines, code) == ([f"exec-child: cannot run {gone}: No such file or directory"], 127)


@both_ways
def test_terminate_ends_the_program(how: str, tmp_path: Path) -> None:
    child = start(how, tmp_path, *PYTHON, SLEEP)
    assert next(lines_of(child)) == "up"
    child.terminate()
    assert child.wait() == -signal.SIGTERM


@both_ways
def test_a_program_does_not_ignore_what_its_starter_ignores(how: str, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        child = start(how, tmp_path, *PYTHON, SLEEP)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert next(lines_of(child)) == "up"
    child.terminate()
    assert child.wait() == -signal.SIGTERM


@both_ways
def test_kill_ends_descendants_too_even_those_in_a_session_of_their_own(how: str, tmp_path: Path) -> None:
    child = start(how, tmp_path, *PYTHON, FORK + SLEEP)
    lines = lines_of(child)
    assert [next(lines), next(lines)] == ["up", "up"]
    family = descendants(child.pid)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert family
    assert all_ended(family)
    list(lines)


@pytest.mark.parametrize("waitid", [True, False])
def test_what_a_program_leaves_in_its_group_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, waitid: bool
) -> None:
    if not waitid:  # as on macOS before Python 3.13
        monkeypatch.delattr(os, "waitid", raising=False)
    code = FORK.replace("start_new_session=True", "stdout=subprocess.DEVNULL") + "print(p.pid)"
    child = launcher_for(System.LINUX).launch(Launch((*PYTHON, code), os.environ, tmp_path))
    left = psutil.Process(int(next(lines_of(child))))
    assert child.wait() == 0
    assert all_ended([left])


@both_ways
def test_the_program_ends_when_the_app_is_killed(how: str, tmp_path: Path) -> None:
    app = [sys.executable, doomed_app.__file__, "launcher", how, *PYTHON, SLEEP]
    with subprocess.Popen(app, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as parent:
        assert parent.stdout
        pid, said = parent.stdout.readline().split()
        engine = psutil.Process(int(pid))
        family = [engine, *descendants(engine.pid)]
        parent.kill()
    assert said == "up"
    assert all_ended(family)


@linux_only
def test_a_program_does_not_start_for_an_app_that_died_meanwhile(tmp_path: Path) -> None:
    command = own_command("exec-child", trampoline.__file__, "-I", "-S")
    stranger = str(os.getppid())  # not the parent of what runs below
    marker = tmp_path / "ran"
    program = (*PYTHON, f"open({str(marker)!r}, 'w')")
    assert subprocess.run([*command, trampoline.BIND, stranger, *program], check=False).returncode == 1
    assert not marker.exists()


def test_usage_counts_descendants_and_is_nothing_for_the_dead(tmp_path: Path) -> None:
    busy = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.2: pass\n"
    child = start(trampoline.KEEP, tmp_path, *PYTHON, busy + SLEEP)
    assert next(lines_of(child)) == "up"
    assert usage(child.pid).cpu_s >= 0.2
    child.kill()
    child.wait()
    assert usage(child.pid).cpu_s == 0
