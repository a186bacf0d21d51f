"""Programs that download a file, each run in a process of its own, with what it took of time and memory."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BASELINE = "aria2c -x8"
OURS = "this app, verified"
RUNNING = "this app, verified, already running"
COMMAND = "powerinfer-tray download"
HUB = "huggingface_hub"
HUB_PACKAGES = ("huggingface_hub", "hf-xet")

OURS_PROGRAM = """
import sys
from pathlib import Path
from tray_app.download.queue import DownloadQueue
queue = DownloadQueue()
queue.wait(queue.add(sys.argv[1], Path(sys.argv[2])))
queue.close(timeout_s=5)
"""
"""What is measured of this app: everything but its window and its command line."""
RUNNING_PROGRAM = """
import sys, time
from pathlib import Path
from tray_app.download.queue import DownloadQueue
queue = DownloadQueue()
for number, line in enumerate(sys.stdin):
    start_s = time.process_time()
    queue.wait(queue.add(line.strip(), Path(sys.argv[1]), file_name=f"{number}.gguf"))
    print(time.process_time() - start_s, flush=True)
queue.close(timeout_s=5)
"""
"""Takes an address in each line, and prints the processor time of each download in seconds."""
HUB_VERSIONS = """
import sys
from importlib.metadata import version
print("; ".join(f"{name} {version(name)}" for name in sys.argv[1:]))
"""
HUB_PROGRAM = """
import sys
from huggingface_hub import hf_hub_download
hf_hub_download("bench/model", "model.gguf", local_dir=sys.argv[1])
"""

Command = list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run took."""

    elapsed_s: float
    processor_s: float
    peak_mib: float


class RunningApp:
    """A process with a queue of downloads, as the app has, that was told to download something before."""

    def __init__(self, url: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUNNING_PROGRAM, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.download(url)

    def download(self, url: str) -> Outcome:
        """Have it download; what that took, from the order to the finished file."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        start_s = time.monotonic()
        print(url, file=stdin, flush=True)
        answer = stdout.readline()
        elapsed_s = time.monotonic() - start_s
        if not answer:
            raise SystemExit("the running app has ended")
        return Outcome(elapsed_s, float(answer), peak_of(self._process.pid) / 1024)

    def close(self) -> None:
        """Wait for its end, which comes with that of its orders."""
        self._process.communicate()


def contenders(url: str, sha256: str, to: Path) -> dict[str, Command]:
    """Who downloads `url` in a process of its own, and how."""
    aria2 = ["aria2c", "--quiet", "--no-conf", "-x8", "-s8", "-d", str(to), "-o", "aria2"]
    return {
        BASELINE: [*aria2, url],
        "aria2c -x8, its checksum": [*aria2, f"--checksum=sha-256={sha256}", url],
        "curl": ["curl", "--silent", "--fail", "--output", str(to / "curl"), url],
        OURS: [sys.executable, "-c", OURS_PROGRAM, url, str(to)],
    }


def install_hub(folder: Path) -> Path | None:
    """The Python of a new virtual environment with huggingface_hub; None if it cannot be had, as offline."""
    venv.create(folder / "hub", with_pip=True)
    python = folder / "hub" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", *HUB_PACKAGES]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        print(f"{HUB} is not measured: it could not be installed", flush=True)
        return None
    return python


def versions(hub: Path | None) -> Iterator[str]:
    """Which peers these are."""
    for command in (["nginx", "-v"], ["aria2c", "--version"], ["curl", "--version"]):
        said = subprocess.run(command, check=False, capture_output=True, text=True)
        found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
        yield f"{command[0]} {found[0] if found else '(unknown version)'}"
    if hub:
        yield subprocess.run(
            [hub, "-c", HUB_VERSIONS, *HUB_PACKAGES], check=True, capture_output=True, text=True
        ).stdout.strip()


def run(command: Command, environment: Mapping[str, str] | None = None) -> Outcome:
    """Run to the end; it must succeed."""
    before = children_processor_s()
    start_s = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    peak_kib = 0
    while process.poll() is None:
        peak_kib = max(peak_kib, peak_of(process.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    elapsed_s = time.monotonic() - start_s
    if process.returncode:
        raise SystemExit(f"{command[0]} failed: {process.returncode}")
    return Outcome(elapsed_s, children_processor_s() - before, peak_kib / 1024)


def children_processor_s() -> float:
    """The processor time of all child processes that have ended."""
    import resource  # which Windows lacks

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_of(pid: int) -> int:
    """The most memory that a process has had so far, in KiB; 0 where Linux does not tell (any more)."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) if found else 0
    return 0
