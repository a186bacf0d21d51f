"""What the gateway must know of the engine behind it, as values. Pure.

The engine room knows far more (states, plans, processes); the composition root makes one of these of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Upstream:
    """An engine that answers requests now.

    `base_url` ends without a slash. `model_id` is what clients are told; `model_name` is for people and tells
    the model's family. `context_size` is the number of tokens that the engine was started with.
    """

    base_url: str
    speaks_openai: bool
    model_id: str
    model_name: str
    context_size: int


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No engine answers now. `retry_after_s`: when to ask again; None if waiting alone does not help."""

    reason: str
    retry_after_s: int | None = None


FindUpstream = Callable[[], Upstream | Unavailable]
