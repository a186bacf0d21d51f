"""Makes the frozen app with PyInstaller, and believes it only after it has proven itself. Main thread.

A build fails on a library that was not found, a file that must be there and is not, and on a self-test of the
frozen app that does not pass.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import contents

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
SPEC = Path(__file__).with_name("powerinfer_tray.spec")
_SELFTEST_TIMEOUT_S = 300


class PackagingError(Exception):
    """A package cannot be made; the text says why."""


def freeze(system: str, engines: Path | None = None) -> Path:
    """The folder of the frozen app, checked. `engines` holds programs to bundle, below `<platform>/`."""
    log = _run_pyinstaller(engines)
    if lines := contents.unresolved(log):
        raise PackagingError("Libraries are missing on this machine:\n" + "\n".join(lines))
    folder = BUILD / "frozen" / contents.APP
    inside = folder / "_internal"
    names = [path.relative_to(inside).as_posix() for path in inside.rglob("*")]
    if lines := contents.missing(names, system):
        raise PackagingError("The frozen app lacks files:\n" + "\n".join(lines))
    return folder


def prove(program: Path) -> dict[str, object]:
    """The report of the frozen app's own self-test; `PackagingError` if it does not pass."""
    started = time.monotonic()
    test = subprocess.run(
        [program, "selftest", "--json"],
        capture_output=True,
        timeout=_SELFTEST_TIMEOUT_S,
        check=False,
        text=True,
    )
    if test.returncode != 0:
        raise PackagingError(f"The frozen app's self-test failed ({test.returncode}):\n{test.stderr}")
    report: dict[str, object] = json.loads(test.stdout)
    print(f"The frozen app's self-test passes ({time.monotonic() - started:.1f} s): {json.dumps(report)}")
    return report


def size_bytes(folder: Path) -> int:
    """What a folder takes, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _run_pyinstaller(engines: Path | None) -> str:
    """Its log. The same sources give the same bytes."""
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", str(SPEC)]
    command += ["--distpath", str(BUILD / "frozen"), "--workpath", str(BUILD / "pyinstaller")]
    if engines is not None:
        command += ["--", "--engines", str(engines)]
    print("Freezing …", flush=True)
    run = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": str(source_date())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
        errors="replace",
    )
    (BUILD / "pyinstaller.log").write_text(run.stdout, encoding="utf-8")
    if run.returncode != 0:
        raise PackagingError(f"PyInstaller failed ({run.returncode}):\n{run.stdout[-4000:]}")
    return run.stdout


def source_date() -> int:
    """The time of the sources, in seconds since 1970: as told by the environment, else of the last commit."""
    if told := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(told)
    git = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return int(subprocess.run(git, stdout=subprocess.PIPE, check=True, text=True).stdout)


if __name__ == "__main__":
    print(freeze(sys.argv[1]))
