"""What can be seen here of the tests' way on other systems."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]

WITHOUT_LINUX = """
import asyncio, filelock, multiprocessing.context, psutil, subprocess, tempfile  # choose for themselves
import importlib, os, shutil, signal, sys
import pytest

sys.path.append("packaging")  # as pytest does

for name in ("dbus_fast", "fcntl", "grp", "pty", "pwd", "resource", "termios"):
    sys.modules[name] = None  # importing it fails now
for module, names in (
    (os, ("fork", "getpgid", "killpg", "mkfifo", "pidfd_open", "setsid", "statvfs", "sync")),
    (signal, ("SIGCONT", "SIGHUP", "SIGKILL", "SIGSTOP", "SIGUSR1")),
    (multiprocessing.context, ("ForkContext", "ForkProcess", "ForkServerContext", "ForkServerProcess")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
shutil.disk_usage = lambda _: shutil._ntuple_diskusage(1 << 40, 0, 1 << 40)  # Windows has one of its own
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except pytest.skip.Exception:
        continue
"""


def test_the_tests_load_where_nothing_is_that_only_linux_has() -> None:
    paths = [path for path in TESTS.rglob("*.py") if path.name.startswith(("test_", "conftest"))]
    names = [".".join(("tests", *path.relative_to(TESTS).with_suffix("").parts)) for path in paths]
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_LINUX, *names],
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # as pytest was told
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
