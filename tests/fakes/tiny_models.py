"""Models for tests that need more than the built-in one: its script makes them, the same bytes each time.

The length of a vector tells which model gave it. This chat model writes digits, the built-in one words.
"""

from __future__ import annotations

import runpy
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tray_app.models.library import builtin_model

CHAT_DIMENSIONS = 48
BERT_DIMENSIONS = 32
BUILTIN_DIMENSIONS = 64


@cache
def chat_model_bytes() -> bytes:
    """A second model that writes (0.24 MB): its text is digits and nothing else."""
    return _written(_script()["DIGITS_MODEL"])


@cache
def bert_model_bytes() -> bytes:
    """A model that only embeds (0.13 MB): it takes the mean of a text's tokens, of which it sees 512."""
    return _written(_script()["Bert"]())


def write_bert(path: Path, **shape: int) -> Path:
    """Write one with other numbers (`width`, `layers`, `context`); the path again."""
    script = _script()
    script["main"](path, script["Bert"](**shape))
    return path


@cache
def _script() -> dict[str, Any]:
    return runpy.run_path(str(builtin_model().with_name("make_test_model.py")))


def _written(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        _script()["main"](path, model)
        return path.read_bytes()
