"""Three models in memory for two: which model answers, how long that takes, what is loaded and unloaded.

    python -m tests.benchmarks.bench_several_models [--requests N] [--clients N] [--budget GIB]

The app is a process of its own, with a home of its own. Exits with 1 if a request got an error or another
model's vector, or if the engines' processes together took more memory than the budget.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.bench_gateway import percentile
from tests.fakes.program import running
from tests.fakes.several_models import BUDGET_GIB, ask_all, engines_watched, install_models, mixed
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.several_models import Answers, SeenEngines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--budget", type=float, default=BUDGET_GIB, help="in GiB")
    options = parser.parse_args()
    with app_of_its_own(options.budget) as (url, pid), engines_watched(pid) as engines:
        answers = ask_all(url, mixed(options.requests), options.clients)
    each_s = options.requests / answers.elapsed_s
    print(f"{options.requests} requests of {options.clients} clients: {each_s:.1f} each second")
    print(f"wrong models: {len(answers.wrong)}, errors: {len(answers.errors)}")
    peak_mib, budget_mib = engines.peak_bytes / 2**20, 1024 * options.budget
    print(f"most memory: {peak_mib:.1f} MiB of {budget_mib:.1f}, in {engines.looks} looks")
    show(answers, engines)
    return 0 if peak_mib <= budget_mib and not answers.wrong and not answers.errors else 1


def show(answers: Answers, engines: SeenEngines) -> None:
    """The table by model, and the first errors."""
    print(f"{'model':8} requests   loads unloads   wait p50 [ms]     p90     p99     max")
    for name, waits_ms in answers.waits_ms.items():
        p50, p90, p99 = (percentile(waits_ms, share) for share in (50, 90, 99))
        print(
            f"{name:8} {len(waits_ms):8} {engines.loads[name]:7} {engines.unloads[name]:7}"
            f" {p50:15.0f} {p90:7.0f} {p99:7.0f} {max(waits_ms):7.0f}"
        )
    for error in answers.errors[:5]:
        print(error)


@contextmanager
def app_of_its_own(budget_gib: float) -> Iterator[tuple[str, int]]:
    """An app with the three models and so much memory for them: its address and its process."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["POWERINFER_TRAY_HOME"] = home
        install_models(Path(home) / "models")
        settings = f"memory_budget = {budget_gib}\nthreads = 1\n"
        (Path(home) / "settings.toml").write_text(settings, encoding="utf-8")
        port = free_port()
        with running("serve", "--model", "test", "--port", str(port)) as program:
            program.line_with("Ready")
            yield f"http://127.0.0.1:{port}/v1", program.process.pid
            program.interrupt()


if __name__ == "__main__":
    sys.exit(main())
