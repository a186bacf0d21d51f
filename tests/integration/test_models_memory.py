"""What is estimated of a model's memory, against what llama.cpp says it takes when it loads that model."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.random_models import Shape, write_llama
from tray_app.models.gguf import read_header
from tray_app.models.memory import Load, Need, estimate

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")

from tray_app.engine import llamacpp_child

MIB = 1 << 20
_BUFFER = re.compile(r"(model|KV|compute) buffer size = +([\d.]+) MiB")
NARROW = Shape()
WIDE = Shape(width=768, layers=3, heads=12, kv_heads=12, feed_forward=4096, vocabulary=4000)


def logged_need(path: Path, load: Load) -> Need:
    """The buffers that the embedded engine logs while it loads a model for real."""
    settings = {
        "--model": str(path),
        "--port": "0",
        "--ctx-size": str(load.context_size),
        "--batch-size": str(load.batch_size),
        "--threads": "1",
        "--pooling": "last",
        "--verbosity": "5",
    }
    command = [
        sys.executable,
        "-P",
        llamacpp_child.__file__,
        *(word for pair in settings.items() for word in pair),
    ]
    sizes: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as engine:
        for line in engine.stderr or ():
            if found := _BUFFER.search(line):
                # It measures without weights first: the last words count.
                sizes[found[1]] = round(float(found[2]) * MIB)
            if "serving on" in line:  # the log of another thread may stand on the same line
                break
        engine.kill()
    return Need(sizes["model"], sizes["KV"], sizes["compute"])


@pytest.mark.parametrize("load", [Load(2048, 2048), Load(8192, 512)])
@pytest.mark.parametrize("shape", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_estimate_is_within_15_percent_of_what_llama_cpp_takes(
    tmp_path: Path, shape: Shape, load: Load
) -> None:
    path = write_llama(tmp_path / "random.gguf", shape)
    expected = logged_need(path, load)

    need = estimate(read_header(path), path.stat().st_size, load)

    assert need.weights_bytes == pytest.approx(expected.weights_bytes, rel=0.15)
    assert need.cache_bytes == pytest.approx(expected.cache_bytes, rel=0.01)
    assert need.compute_bytes == pytest.approx(expected.compute_bytes, rel=0.15)
    assert need.total_bytes == pytest.approx(expected.total_bytes, rel=0.15)
