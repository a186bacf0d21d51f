"""Our verified download beside curl, aria2c and huggingface_hub, from nginx on this machine; prints ratios.

    python -m tests.benchmarks.bench_download [--quick] [--size-mib N] [--runs N] [--scenario NAME …]

Every contender is a process of its own, timed from start to end; they take turns, so that a noisy machine
is noisy for all. nginx, curl and aria2c must be installed; huggingface_hub is measured where it can be
imported. The last scenario needs Linux and root.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.results import Result
from tray_app.download.queue import DownloadQueue
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
BASELINE = "aria2c -x8"
OURS = "this app, verified"
ROUND_TRIP_S, LOSS = 0.05, 0.001
MOST_MIB = 60

NGINX = """
{user} worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $connection $uneven {{ default 50m; "~{eighth}" 2500k; }}
  server {{
    listen {address}:{port}; root {folder}/files;
    location /free/ {{ alias {folder}/files/; }}
    location /capped/ {{ alias {folder}/files/; limit_rate 50m; }}
    location /uneven/ {{ alias {folder}/files/; limit_rate $uneven; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A line to download over."""

    name: str
    path: str
    goal: float
    """How many times as fast as aria2c, which checks nothing."""
    most_mib: int = 1 << 20
    """Larger files would take too long."""
    far: bool = False


SCENARIOS = (
    Scenario("loopback", "free", 1.5),
    Scenario("50 MB/s per connection", "capped", 1.3),
    # What aria2c leaves to the slow one is about the same for any size; so is the time that it then takes.
    Scenario("one of eight connections 20 x slower", "uneven", 9, most_mib=256),
    Scenario("50 ms round trip, 0.1 % loss", "free", 1.4, most_mib=256, far=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run took."""

    elapsed_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What all runs of a scenario took, by contender."""

    scenario: Scenario
    size_bytes: int
    outcomes: dict[str, list[Outcome]]

    def speeds_mb_s(self) -> dict[str, float]:
        """Of the median run."""
        return {
            name: self.size_bytes / statistics.median(run.elapsed_s for run in runs) / 1e6
            for name, runs in self.outcomes.items()
        }

    def peak_mib(self, name: str) -> float:
        """The most memory that any run had."""
        return max(run.peak_mib for run in self.outcomes[name])


Command = list[str]


def contenders(url: str, sha256: str, to: Path) -> dict[str, Command]:
    """Who downloads `url`, and how."""
    aria2 = ["aria2c", "--quiet", "--no-conf", "-x8", "-s8", "-d", str(to), "-o", "aria2"]
    script = [sys.executable, "-m", "tests.benchmarks.bench_download"]
    return {
        BASELINE: [*aria2, url],
        "aria2c -x8, its checksum": [*aria2, f"--checksum=sha-256={sha256}", url],
        "curl": ["curl", "--silent", "--fail", "--output", str(to / "curl"), url],
        **(
            {"huggingface_hub": [*script, "--hub", url, str(to / "hub")]}
            if importlib.util.find_spec("huggingface_hub")
            else {}
        ),
        OURS: [*script, "--ours", url, str(to)],
    }


def main() -> int:
    """Measure, or be one of the measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size-mib", type=int, default=2048)
    parser.add_argument("--quick", action="store_true", help="256 MiB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scenario", nargs="*", type=int, default=range(1, 5), help="by number, 1 to 4")
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--hub", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        return download_by_queue(options.ours[0], Path(options.ours[1]))
    if options.hub:
        return download_by_hub(*options.hub)
    if missing := missing_programs():
        print(f"Install {', '.join(missing)} first.")
        return 1
    size_mib = 256 if options.quick else options.size_mib
    with tempfile.TemporaryDirectory(prefix="powerinfer-bench-") as folder:
        for number in options.scenario:
            measured = measure(SCENARIOS[number - 1], Path(folder), size_mib, options.runs)
            if measured:
                print_table(measured)
    return 0


def download_by_queue(url: str, folder: Path) -> int:
    """What is measured of this app: everything but its window."""
    queue = DownloadQueue()
    queue.wait(queue.add(url, folder))
    queue.close(timeout_s=5)
    return 0


def download_by_hub(url: str, path: str) -> int:
    """The way that huggingface_hub takes over HTTP, without its own servers."""
    from huggingface_hub.file_download import http_get

    with Path(path).open("wb") as file:
        http_get(url, file)
    return 0


def results(*, full: bool) -> Iterator[Result]:
    """The speed of every contender over every line, and how many times as fast as aria2c we are."""
    if missing := missing_programs():
        raise SystemExit(f"Install {', '.join(missing)} first.")
    with tempfile.TemporaryDirectory(prefix="powerinfer-bench-") as folder:
        for scenario in SCENARIOS if full else SCENARIOS[:2]:
            measured = measure(scenario, Path(folder), 2048 if full else 256, runs=3 if full else 1)
            if measured is None:
                continue
            speeds = measured.speeds_mb_s()
            for name, speed in speeds.items():
                yield Result(f"{scenario.name}: {name}", speed, "MB/s")
            # The start of Python weighs in a file that is here within a second.
            least = scenario.goal if full else None
            ratio = speeds[OURS] / speeds[BASELINE]
            yield Result(f"{scenario.name}: as fast as aria2c", ratio, "times", least=least)
            peak_mib = measured.peak_mib(OURS)
            yield Result(f"{scenario.name}: peak memory of this app", peak_mib, "MiB", most=MOST_MIB)


def missing_programs() -> list[str]:
    """What must be installed before anything can be compared."""
    return [name for name in ("nginx", "curl", "aria2c") if not shutil.which(name)]


def measure(scenario: Scenario, folder: Path, size_mib: int, runs: int) -> Measured | None:
    """All runs of one scenario; None where this machine cannot have its line."""
    size = min(size_mib, scenario.most_mib) * MIB
    sha256 = make_file(folder / "files" / "model.gguf", size)
    with contextlib.ExitStack() as stack:
        prefix: Command = []
        address = "127.0.0.1"
        if scenario.far:
            from tests.benchmarks.far_line import FAR, far_line  # which only Linux can have

            try:
                prefix = stack.enter_context(far_line(ROUND_TRIP_S, LOSS))
            except (OSError, subprocess.CalledProcessError) as exc:
                print(f"{scenario.name}: not measured: {exc}", flush=True)
                return None
            address = FAR
        port = stack.enter_context(nginx(folder, address, prefix))
        to = folder / "to"
        url = f"http://{address}:{port}/{scenario.path}/model.gguf"
        commands = contenders(url, sha256, to)
        outcomes: dict[str, list[Outcome]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                shutil.rmtree(to, ignore_errors=True)
                to.mkdir()
                os.sync()
                outcomes[name].append(run(command))
        shutil.rmtree(to, ignore_errors=True)
    return Measured(scenario, size, outcomes)


def print_table(measured: Measured) -> None:
    """Speed, its ratio to aria2c's, the spread of the runs, and the peak of memory."""
    speeds = measured.speeds_mb_s()
    print(f"\n{measured.scenario.name}, {measured.size_bytes // MIB} MiB")
    print(f"  {'':26} {'MB/s':>6} {'ratio':>6} {'seconds':>17} {'peak MiB':>9}")
    for name, runs in measured.outcomes.items():
        times = sorted(run.elapsed_s for run in runs)
        print(
            f"  {name:26} {speeds[name]:6.0f} {speeds[name] / speeds[BASELINE]:6.2f} "
            f"{f'{times[0]:.2f} … {times[-1]:.2f}':>17} {measured.peak_mib(name):9.0f}",
            flush=True,
        )


def run(command: Command) -> Outcome:
    """Run to the end; it must succeed."""
    start_s = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak_kib = 0
    while process.poll() is None:
        peak_kib = max(peak_kib, peak_of(process.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    elapsed_s = time.monotonic() - start_s
    if process.returncode:
        raise SystemExit(f"{command[0]} failed: {process.returncode}")
    return Outcome(elapsed_s, peak_kib / 1024)


def peak_of(pid: int) -> int:
    """The most memory that a process has had so far, in KiB; 0 where Linux does not tell (any more)."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) if found else 0
    return 0


def make_file(path: Path, size: int) -> str:
    """A file that passes for a model and cannot be packed; its SHA-256."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(b"GGUF")
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
        file.truncate(size)
    with path.open("rb") as file:  # which also brings it into the memory that nginx sends from
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def nginx(folder: Path, address: str, prefix: Command) -> Iterator[int]:
    """nginx with a configuration and files of its own; its port."""
    port = free_port()
    # Every eighth of nginx's connection numbers: 1000 is divisible by 8, so the last three digits tell.
    eighth = "|".join([f"[0-9]{n:03}" for n in range(0, 1000, 8)] + [f"^{n}" for n in range(8, 1000, 8)])
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        NGINX.format(user=user, folder=folder, address=address, port=port, eighth=f"({eighth})$")
    )
    with subprocess.Popen(
        [*prefix, "nginx", "-p", folder, "-c", config, "-e", folder / "error.log"]
    ) as process:
        try:
            wait_until_open(address, port)
            yield port
        finally:
            process.terminate()


def wait_until_open(address: str, port: int) -> None:
    """Try to connect for ten seconds."""
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection((address, port)):
            return
        time.sleep(0.1)
    raise SystemExit("nginx does not answer")


if __name__ == "__main__":
    sys.exit(main())
