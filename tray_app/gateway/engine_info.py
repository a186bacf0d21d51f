"""What an engine says about itself, without private data. Pure.

Its own answers contain the folder of the model (and so the person's name), its build, and parameters of other
clients' requests. What programs need is kept: context size, number of slots, abilities of the model. If the
engine's own routes are switched on, its web page needs more, but no folders either.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tray_app.gateway.engine_errors import decode_answer

_SHOWN: dict[str, frozenset[str]] = {
    "/props": frozenset(
        (
            *("default_generation_settings", "total_slots", "model_alias", "model_path", "modalities"),
            *("chat_template_caps", "bos_token", "eos_token", "is_sleeping"),
            *("user_name", "assistant_name"),
        )
    ),
    "/slots": frozenset(("id", "n_ctx", "is_processing")),
    "/lora-adapters": frozenset(("id", "path", "scale")),
    "/model.json": frozenset(("n_ctx", "model")),
}
_PLACES = ("model_path", "model_alias", "path", "model")
"""Fields in which an engine gives a file with its folder."""


def public_part(path: str, answer: bytes, *, everything: bool) -> bytes:
    """The public part of an engine's answer to a GET. `everything`: remove only folders."""
    told = decode_answer(answer, Any)
    items = told if isinstance(told, list) else [told]
    kept = [_shown(item, None if everything else _SHOWN[path]) for item in items]
    return msgspec.json.encode(kept if isinstance(told, list) else kept[0])


def _shown(item: Any, names: frozenset[str] | None) -> Any:
    if not isinstance(item, dict):
        return None
    return {
        name: _file_name(value) if name in _PLACES and isinstance(value, str) else value
        for name, value in item.items()
        if names is None or name in names
    }


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]
