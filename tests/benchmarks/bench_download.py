"""Our verified download beside curl, aria2c and huggingface_hub, from nginx on this machine; prints ratios.

    python -m tests.benchmarks.bench_download [--quick] [--size-mib N] [--runs N] [--scenario NUMBER …]

Contenders take turns, so that a noisy machine is noisy for all; what counts is the ratio within a turn. Each
is a process of its own, timed from start to end, but for the running app: that is told over a pipe to
download, after it has downloaded something before, and timed from the order to the finished file. nginx, curl
and aria2c must be installed; huggingface_hub is installed for the time of a full run, where that is possible.
The line with a long way needs Linux and root.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.results import Result
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MIB = 1 << 20
BASELINE = "aria2c -x8"
OURS = "this app, verified"
RUNNING = "this app, verified, already running"
COMMAND = "powerinfer-tray download"
HUB = "huggingface_hub"
ROUND_TRIP_S, LOSS = 0.05, 0.001
MOST_MIB = 60
HUB_PACKAGES = ("huggingface_hub", "hf-xet")
HUB_TIMES = 3.0
"""How many times as fast as huggingface_hub."""

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
"""Takes an address in each line; tells what each download took of the processors."""
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

NGINX = """
{user} worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $connection $uneven {{ default 50m; "~{eighth}" 2500k; }}
  server {{
    listen {address}:{port}; root {folder}/files;
    add_header X-Repo-Commit 0123456789abcdef0123456789abcdef01234567;  # as Hugging Face, for its own client
    rewrite ^/(\\w+)/bench/model/resolve/main/(.*)$ /$1/$2 last;
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
    running_goal: float | None = None
    """The same in the app that runs; None: the file is so large that the start weighs nothing."""
    most_mib: int = 1 << 20
    """Larger files would take too long."""
    far: bool = False
    beside_hub: bool = False
    """Whether huggingface_hub takes part, which has one connection to servers that are not its own."""


SCENARIOS = (
    Scenario("loopback", "free", 1.8, beside_hub=True),
    Scenario("50 MB/s per connection", "capped", 1.4),
    # What aria2c leaves to the slow one is about the same for any size; so is the time that it then takes.
    Scenario("one of eight connections 20 x slower", "uneven", 9.5, most_mib=256),
    Scenario("50 ms round trip, 0.1 % loss", "free", 1.45, most_mib=256, far=True),
    Scenario("loopback, 256 MiB", "free", 0.9, running_goal=1.2, most_mib=256),
    Scenario("50 MB/s per connection, 256 MiB", "capped", 0.9, running_goal=1.2, most_mib=256),
)
SMALL = SCENARIOS[4:]
FULL_RUNS, FULL_SMALL_RUNS = 3, 7


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run took."""

    elapsed_s: float
    processor_s: float
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

    def times_as_fast(self, name: str, other: str = BASELINE) -> float:
        """As another contender: the median of the ratios within each turn."""
        turns = zip(self.outcomes[other], self.outcomes[name], strict=True)
        return statistics.median(theirs.elapsed_s / ours.elapsed_s for theirs, ours in turns)

    def processor_s(self, name: str) -> float:
        """What the median run took of the processors."""
        return statistics.median(run.processor_s for run in self.outcomes[name])

    def peak_mib(self, name: str) -> float:
        """The most memory that any run had."""
        return max(run.peak_mib for run in self.outcomes[name])

    def results(self) -> Iterator[Result]:
        """What the table shows of it."""
        name, goal, running_goal = self.scenario.name, self.scenario.goal, self.scenario.running_goal
        for contender, speed in self.speeds_mb_s().items():
            yield Result(f"{name}: {contender}", speed, "MB/s")
        yield Result(f"{name}: as fast as aria2c", self.times_as_fast(OURS), "times", least=goal)
        if RUNNING in self.outcomes:
            ratio = self.times_as_fast(RUNNING)
            yield Result(f"{name}: already running, as fast as aria2c", ratio, "times", least=running_goal)
        if HUB in self.outcomes:
            ratio = self.times_as_fast(OURS, HUB)
            yield Result(f"{name}: as fast as huggingface_hub", ratio, "times", least=HUB_TIMES)
        yield Result(f"{name}: peak memory of this app", self.peak_mib(OURS), "MiB", most=MOST_MIB)


Command = list[str]


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
        """Tell it to; from the order to the finished file."""
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
        self._process.communicate()  # it ends with its orders


def contenders(url: str, sha256: str, to: Path) -> dict[str, Command]:
    """Who downloads `url` in a process of its own, and how."""
    aria2 = ["aria2c", "--quiet", "--no-conf", "-x8", "-s8", "-d", str(to), "-o", "aria2"]
    return {
        BASELINE: [*aria2, url],
        "aria2c -x8, its checksum": [*aria2, f"--checksum=sha-256={sha256}", url],
        "curl": ["curl", "--silent", "--fail", "--output", str(to / "curl"), url],
        OURS: [sys.executable, "-c", OURS_PROGRAM, url, str(to)],
    }


def main() -> int:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size-mib", type=int, default=2048)
    parser.add_argument("--quick", action="store_true", help="256 MiB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scenario", nargs="*", type=int, help=f"by number, 1 to {len(SCENARIOS)}")
    options = parser.parse_args()
    scenarios = [SCENARIOS[number - 1] for number in options.scenario or range(1, len(SCENARIOS) + 1)]
    size_mib = 256 if options.quick else options.size_mib
    for measured in measure_all(scenarios, size_mib, lambda _: options.runs):
        print_table(measured)
    return 0


def results(*, full: bool) -> Iterator[Result]:
    """The speed of every contender over every line, and how many times as fast as aria2c we are."""

    def runs_of(scenario: Scenario) -> int:
        if not full:
            return 1
        return FULL_SMALL_RUNS if scenario in SMALL else FULL_RUNS

    for measured in measure_all(SCENARIOS if full else SMALL, 2048, runs_of):
        for result in measured.results():
            yield result if full else replace(result, least=None)  # one turn proves no ratio


def measure_all(
    scenarios: Sequence[Scenario], size_mib: int, runs_of: Callable[[Scenario], int]
) -> Iterator[Measured]:
    """Each scenario that this machine can have, with so many runs."""
    if missing := [name for name in ("nginx", "curl", "aria2c") if not shutil.which(name)]:
        raise SystemExit(f"Install {', '.join(missing)} first.")
    with tempfile.TemporaryDirectory(prefix="powerinfer-bench-") as name:
        folder = Path(name)
        hub = install_hub(folder) if any(scenario.beside_hub for scenario in scenarios) else None
        print("; ".join(versions(hub)), flush=True)
        for scenario in scenarios:
            measured = measure(scenario, folder, size_mib, runs_of(scenario), hub)
            if measured is not None:
                yield measured


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


def measure(scenario: Scenario, folder: Path, size_mib: int, runs: int, hub: Path | None) -> Measured | None:
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
        line = f"http://{address}:{port}/{scenario.path}"
        url = f"{line}/model.gguf"
        entrants: dict[str, Callable[[], Outcome]] = {
            name: partial(run, command) for name, command in contenders(url, sha256, to).items()
        }
        if scenario.running_goal is not None:
            app = stack.enter_context(contextlib.closing(RunningApp(url, to)))
            entrants[RUNNING] = partial(app.download, url)
            command = [sys.executable, "-m", "tray_app", "download", url, "--to", str(to)]
            entrants[COMMAND] = partial(run, command, {"POWERINFER_TRAY_HOME": str(folder / "home")})
        if scenario.beside_hub and hub:
            of_hub = {"HF_ENDPOINT": line, "HF_HOME": str(folder / "home")}
            entrants[HUB] = partial(run, [str(hub), "-c", HUB_PROGRAM, str(to)], of_hub)
        outcomes: dict[str, list[Outcome]] = {name: [] for name in entrants}
        for _ in range(runs):
            for name, enter in entrants.items():
                shutil.rmtree(to, ignore_errors=True)
                to.mkdir()
                os.sync()
                outcomes[name].append(enter())
        shutil.rmtree(to, ignore_errors=True)
    return Measured(scenario, size, outcomes)


def print_table(measured: Measured) -> None:
    """Speed, its ratio to aria2c's, the spread of the runs, and what they took of processors and memory."""
    speeds = measured.speeds_mb_s()
    print(f"\n{measured.scenario.name}; the file has {measured.size_bytes // MIB} MiB")
    print(f"  {'':36} {'MB/s':>6} {'ratio':>6} {'seconds':>17} {'processor s':>12} {'peak MiB':>9}")
    for name, runs in measured.outcomes.items():
        times = sorted(run.elapsed_s for run in runs)
        print(
            f"  {name:36} {speeds[name]:6.0f} {measured.times_as_fast(name):6.2f} "
            f"{f'{times[0]:.2f} … {times[-1]:.2f}':>17} {measured.processor_s(name):12.2f} "
            f"{measured.peak_mib(name):9.0f}",
            flush=True,
        )


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
    """What processes that have ended took of the processors."""
    times = os.times()
    return times.children_user + times.children_system


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
