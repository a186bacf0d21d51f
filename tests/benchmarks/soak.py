"""Does the app stand a long, rough time? Random wishes, requests and kills on the core of it, without Qt.

    python -m tests.benchmarks.soak --minutes N [--seed S]

Engines are llama.cpp, with the built-in test model, and the fake engine as somebody's own program. Clients
ask for embeddings, texts and streams all the while. From time to time all is stopped and counted: processes
left over, threads, handles (descriptors), memory. Beside that, whole apps are started and killed with
SIGKILL. Prints what it did and found; exit code 1 if something was left behind or an answer was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from msgspec.structs import replace

from tests.benchmarks.soak_clients import ANSWERED, Clients, Server
from tests.fakes.launches import FAKE_ENGINE
from tests.fakes.processes import processes_with
from tests.fakes.program import running
from tray_app.app.root import App
from tray_app.engine.lifecycle import State
from tray_app.errors import AppError
from tray_app.system.paths import resources
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.app.status import AppStatus

_OF_A_RUN = re.compile(r"engine-.+-\d+-")
"""Threads that watch one process of an engine."""
STATE_TIMEOUT_S = 60.0
LONGEST_PAUSE_S = 1.5
OPERATIONS_BETWEEN_CENSUSES = 15
APP_LIVES_S = 2.5  # from the start of Python to some time after READY
HALF = 0.5
WARM_UP = 3  # censuses after which pools and caches have their size
MEMORY_SLACK_MB = 4.0
KEPT_LINES = 100_000
LINE = "slot launch_slot_: id  3 | task 0 | processing task, is_child = 0, n_tokens = 7, truncated = 0"
ENGINE = "engine"
"""How the program of the fake engine is called, so that it can be told on a command line."""


@dataclass
class Census:
    """What there is while nothing should run."""

    orphans: list[str]
    threads: list[str]
    handles: int
    memory_mb: float


@dataclass
class Tally:
    """What was done and what came of it."""

    operations: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    """Answers that never came, though the address stayed open."""
    restarts: int = 0
    runs: int = 0
    app_orphans: int = 0
    stuck: list[str] = field(default_factory=list)
    censuses: list[Census] = field(default_factory=list)


class Soak:
    """One app core, and everything that may befall it."""

    def __init__(self, home: Path, seed: int) -> None:
        os.environ["POWERINFER_TRAY_HOME"] = str(home)
        self.random = random.Random(seed)  # noqa: S311 - the same time again
        self.models = home / "models"
        self.models.mkdir(parents=True)
        self.model = Path(shutil.copy(resources() / "test-model" / "test.gguf", self.models / "soak.gguf"))
        self.program = home / ENGINE
        self.program.write_text(f'#!/bin/sh\nexec {" ".join(FAKE_ENGINE)} --like llama-server "$@"\n')
        self.program.chmod(0o755)
        self.app = App.on_this_machine()
        self.app.apply(replace(self.app.store.current, port=free_port(), model=str(self.model), threads=1))
        # The lines that are kept grow until there are so many; here memory shall show other growth alone.
        self.app.engine_lines.extend([f"{number:9} {LINE}" for number in range(KEPT_LINES)])
        self.tally = Tally()
        self._last = State.STOPPED
        self.app.changed.connect(self._note)
        self._closings, self._is_closing = 0, False
        self._clients = Clients(self._server)

    def run(self, minutes: float) -> None:
        """Live through it."""
        self._clients.start()
        end_s = time.monotonic() + 60 * minutes
        try:
            while time.monotonic() < end_s:
                for _ in range(OPERATIONS_BETWEEN_CENSUSES):
                    self._operate()
                    time.sleep(self.random.uniform(0, LONGEST_PAUSE_S) * self.random.random())
                self._take_census()
            self._serve_once_more()
        finally:
            self._clients.close()
            self.app.close()
        self.tally.requests, self.tally.lost = self._clients.requests, self._clients.lost
        self.tally.censuses.append(self._count())

    def _operate(self) -> None:
        operations: tuple[tuple[Callable[[], None], int], ...] = (
            (self.start, 6),
            (self.stop, 2),
            (self.restart, 2),
            (self.stop_a_start, 2),
            (self.change_a_setting, 4),
            (self.change_the_port, 1),
            (self.kill_the_engine, 4),
            (self.halt_the_engine, 1),
            (self.unplug_the_models, 1),
            (self.kill_an_app, 2),
        )
        weights = [weight for _, weight in operations]
        ((operation, _),) = self.random.choices(operations, weights)
        self.tally.operations[operation.__name__.replace("_", " ")] += 1
        try:
            operation()
        except AppError as exc:  # a model that is unplugged, a wish that comes too soon: what people see, too
            self.tally.refusals[exc.title] += 1

    def start(self) -> None:
        self.app.start_server()

    def stop(self) -> None:
        with self._closing():
            self.app.stop_server()

    def restart(self) -> None:
        with self._closing():
            self.app.restart_server()

    def stop_a_start(self) -> None:
        self.app.start_server()
        time.sleep(self.random.uniform(0, 0.3))
        self.stop()

    def change_a_setting(self) -> None:
        changes: list[dict[str, Any]] = [
            {"ctx_size": self.random.choice([256, 384, 512])},
            {"temperature": self.random.choice([0.2, 0.9])},
            {"engine": "auto"},
            {"engine": str(self.program)},
            {"start_on_demand": self.random.random() < HALF},
        ]
        self.app.apply(replace(self.app.store.current, **self.random.choice(changes)))

    def change_the_port(self) -> None:
        with self._closing():
            self.app.apply(replace(self.app.store.current, port=free_port()))

    def kill_the_engine(self) -> None:
        if engine := self._engine():
            engine.kill()

    def halt_the_engine(self) -> None:
        if engine := self._engine():
            engine.suspend()
            time.sleep(0.3)
            with contextlib.suppress(psutil.Error):
                engine.resume()

    def unplug_the_models(self) -> None:
        elsewhere = self.models.with_name("unplugged")
        self.models.rename(elsewhere)
        try:
            self.kill_the_engine()
            time.sleep(self.random.uniform(0.1, 1))
        finally:
            elsewhere.rename(self.models)

    def kill_an_app(self) -> None:
        """Another app, with a home of its own, dies at some moment; nothing of it may go on."""
        with tempfile.TemporaryDirectory(prefix="doomed") as home:
            model = shutil.copy(self.model, Path(home) / "doomed.gguf")
            before = os.environ["POWERINFER_TRAY_HOME"]
            os.environ["POWERINFER_TRAY_HOME"] = home
            try:
                with running("serve", "--model", str(model), "--port", str(free_port())) as app:
                    time.sleep(self.random.uniform(0, APP_LIVES_S))
                    app.process.kill()
            finally:
                os.environ["POWERINFER_TRAY_HOME"] = before
            _, left = psutil.wait_procs(processes_with(home), timeout=5)
            self.tally.app_orphans += len(left)

    def _engine(self) -> psutil.Process | None:
        pid = self.app.status().engine.pid
        with contextlib.suppress(psutil.Error):
            return psutil.Process(pid) if pid else None
        return None

    def _note(self, status: AppStatus) -> None:
        state = status.engine.state
        if state is State.BACKOFF and self._last is not State.BACKOFF:
            self.tally.restarts += 1
        self.tally.runs = max(self.tally.runs, status.engine.run)
        self._last = state

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        """What is under way while an address closes ends with it."""
        self._closings, self._is_closing = self._closings + 1, True
        try:
            yield
        finally:
            self._is_closing = False

    def _server(self) -> Server:
        closings, is_closing = self._closings, self._is_closing
        return Server(self.app.status().server.base_url, closings, is_closing)

    def _serve_once_more(self) -> None:
        """After all that, a start still leads to answers."""
        self.app.apply(replace(self.app.store.current, engine="auto"))
        self.app.start_server()
        self.app.wait_until_ready(STATE_TIMEOUT_S)
        self.app.client.embed(["Hello"])

    def _take_census(self) -> None:
        self.stop()
        try:
            self.app._pool.wait_until_gone(None, STATE_TIMEOUT_S)
        except TimeoutError:
            self.tally.stuck.append(self.app.status().engine.state)
        _await(lambda: not any(_OF_A_RUN.match(thread.name) for thread in threading.enumerate()))
        with self._clients.paused():
            self.tally.censuses.append(self._count())

    def _count(self) -> Census:
        me = psutil.Process()
        _await(lambda: not me.children(recursive=True))
        return Census(
            orphans=[" ".join(child.cmdline()) for child in me.children(recursive=True)],
            threads=sorted(thread.name for thread in threading.enumerate()),
            handles=sum(getattr(me, name)() for name in ("num_fds", "num_handles") if hasattr(me, name)),
            memory_mb=me.memory_info().rss / 1e6,
        )


def _await(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.05)


def report(tally: Tally) -> bool:
    """Print what was found; whether nothing was left behind."""
    *censuses, after_close = tally.censuses
    steady = censuses[WARM_UP:]
    if len(steady) < WARM_UP:
        print("Too short to tell whether memory is flat.")
        return False
    third = len(steady) // 3
    first_mb = statistics.median(census.memory_mb for census in steady[:third])
    last_mb = statistics.median(census.memory_mb for census in steady[-third:])
    usual = set(steady[0].threads)
    leaked = {name for census in steady for name in census.threads if name not in usual}
    handles = [census.handles for census in steady]
    faults = {
        "processes left": sum(len(census.orphans) for census in tally.censuses) + tally.app_orphans,
        "leaked threads": len(leaked) + len(set(after_close.threads) - {"MainThread"}),
        "leaked handles": max(0, handles[-1] - handles[0]),
        "stuck stops": len(tally.stuck),
        "memory grew": int(last_mb - first_mb > MEMORY_SLACK_MB),
        "lost answers": tally.lost.total(),
    }
    for what, counts in (("operations", tally.operations), ("refusals", tally.refusals)):
        print(f"{what}: {counts.total()}")
        for name, count in counts.most_common():
            print(f"  {count:6} {name}")
    print(f"requests: {tally.requests.total()}, of which {tally.requests[ANSWERED]} were answered")
    for name, count in tally.requests.most_common():
        print(f"  {count:6} {name}")
    print(f"engine runs: {tally.runs}, restarts after an end of its own: {tally.restarts}")
    print(f"threads: {len(steady[0].threads)} at first, {len(steady[-1].threads)} at last")
    print(f"memory: {first_mb:.1f} MB in the first third, {last_mb:.1f} MB in the last")
    print(f"handles: {handles[0]} at first, {handles[-1]} at last, {min(handles)} to {max(handles)} between")
    for name, count in faults.items():
        print(f"{name}: {count}")
    for name in sorted(leaked):
        print(f"a thread: {name}")
    for name, count in tally.lost.most_common():
        print(f"an answer, {count} times: {name}")
    return not any(faults.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak") as home:
        soak = Soak(Path(home), options.seed)
        soak.run(options.minutes)
    return 0 if report(soak.tally) else 1


if __name__ == "__main__":
    sys.exit(main())
