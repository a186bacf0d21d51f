"""Turns the words of arguments into values for llama.cpp's parameters. Pure, except for files that arguments
name.

Runs in the process of the built-in engine.
"""

from __future__ import annotations

import csv
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xllamacpp

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Set:
    """One parameter that an argument sets."""

    path: str
    convert: Callable[[Any, Any], Any]
    """Its new value, made of the present value and the argument's; `ValueError` or similar if the argument's
    is wrong."""


Conversion = tuple[Set, ...]
"""All that one argument sets."""


def converter_like(present: object) -> Callable[[Any], Any] | None:
    """How a word becomes a value of the same type as a parameter's present value; None for types without such
    a way.
    """
    kind = type(present)
    if words := _WORDS.get(kind.__name__):
        return lambda text: getattr(kind, f"{kind.__name__.upper()}_{words[text]}")
    return _BY_TYPE.get(kind)


def _truth(said: Any) -> bool:
    return said if isinstance(said, bool) else _TRUTHS[said]


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _whole(minimum: int, maximum: int) -> Callable[[Any, str], int]:
    def convert(_: Any, text: str) -> int:
        if not minimum <= int(text) <= maximum:
            raise ValueError
        return int(text)

    return convert


def _parallel(present: int, text: str) -> int:
    return present if int(text) == _AUTOMATIC else _whole(1, _MOST_PARALLEL)(present, text)


def _threads(present: int, text: str) -> int:
    return max(int(text), 0) or present


def _layers(_: Any, text: str) -> int:
    return {"auto": -1, "all": -2}.get(text) or int(text)


def _shares(present: list[float], text: str) -> list[float]:
    shares = [_number(share) for share in text.replace("/", ",").split(",")]
    return [*shares, *[0.0] * (len(present) - len(shares))]


def _mebibytes(present: list[int], text: str) -> list[int]:
    sizes = [int(size) << 20 for size in text.split(",")]
    return sizes * len(present) if len(sizes) == 1 else [*sizes, *present[len(sizes) :]]


def _load_mode(present: Any, *, mapped: bool | None = None, locked: bool | None = None) -> Any:
    """The load mode after `--mmap` or `--mlock` was given; otherwise the present one."""
    mapped = (
        present not in (_Mode.LLAMA_LOAD_MODE_NONE, _Mode.LLAMA_LOAD_MODE_MLOCK) if mapped is None else mapped
    )
    locked = (
        present in (_Mode.LLAMA_LOAD_MODE_MLOCK, _Mode.LLAMA_LOAD_MODE_MMAP_MLOCK)
        if locked is None
        else locked
    )
    ending = {(True, True): "MMAP_MLOCK", (True, False): "MMAP", (False, True): "MLOCK"}
    return getattr(_Mode, f"LLAMA_LOAD_MODE_{ending.get((mapped, locked), 'NONE')}")


def _adapters(present: list[Any], text: str) -> list[Any]:
    return [*present, *(xllamacpp.CommonAdapterLoraInfo(_file(None, path), 1.0) for path in _list(text))]


def _scaled_adapters(present: list[Any], text: str) -> list[Any]:
    pairs = [each.rpartition(":") for each in _list(text)]
    new = [xllamacpp.CommonAdapterLoraInfo(_file(None, path), _number(scale)) for path, _, scale in pairs]
    return [*present, *new]


def _template_values(present: dict[str, str], /, **values: Any) -> dict[str, str]:
    return present | {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}


def _grammar(_: Any, text: str) -> Any:
    return xllamacpp.CommonGrammar(xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER, text)


def _schema(_: Any, text: str) -> Any:
    json.loads(text)
    kind = xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_OUTPUT_FORMAT
    return xllamacpp.CommonGrammar(kind, xllamacpp.json_schema_to_grammar(text))


def _speculation(present: list[Any], text: str) -> list[Any]:
    kinds = xllamacpp.common_speculative_type
    names = [f"COMMON_SPECULATIVE_TYPE_{each.upper().replace('-', '_')}" for each in text.split(",")]
    return [*present, *(getattr(kinds, name) for name in names)]


def _also(present: str, text: str) -> str:
    return f"{present},{text}" if present else text


def _experts(present: str, _: Any) -> str:
    return _also(present, rf"{_EXPERTS}=CPU")


def _of_first_layers(weights: str) -> Callable[[str, str], str]:
    def convert(present: str, text: str) -> str:
        patterns = [rf"blk\.{layer}{weights}=CPU" for layer in range(_whole(0, _MOST_LAYERS)(None, text))]
        return _also(present, ",".join(patterns)) if patterns else present

    return convert


def _mask(present: list[bool], text: str) -> list[bool]:
    mask = int(text, 16)
    return [was or bool(mask >> core & 1) for core, was in enumerate(present)]


def _range(present: list[bool], text: str) -> list[bool]:
    first, last = (int(end) for end in text.split("-"))
    return [was or first <= core <= last for core, was in enumerate(present)]


def _list(text: str) -> list[str]:
    """The parts of a comma-separated text; a part that contains a comma is written in quotes."""
    parts = next(csv.reader([text]))
    if not all(parts) or not parts:
        raise ValueError
    return parts


def _file(_: Any, path: str) -> str:
    """The path of a file that can be read; `OSError` if it cannot."""
    with Path(path).open("rb"):
        return path


def _folder(_: Any, path: str) -> str:
    """A folder with a separator at its end, because llama.cpp appends the file name directly; `OSError` if
    there is none.
    """
    with os.scandir(path):
        return os.path.join(path, "")  # noqa: PTH118  with the separator at its end, which a Path cannot have


def _content(path: str) -> str:
    return Path(path).read_text("utf-8")


def _of_threads(path: str) -> dict[str, Conversion]:
    valid = Set(f"{path}.mask_valid", lambda *_: True)
    return {
        f"{path}.n_threads": (Set(f"{path}.n_threads", _threads),),
        f"{path}.mask": (Set(f"{path}.cpumask", _mask), valid),
        f"{path}.range": (Set(f"{path}.cpumask", _range), valid),
        f"{path}.priority": (
            Set(f"{path}.priority", lambda _, text: xllamacpp.ggml_sched_priority(_whole(-1, 3)(_, text))),
        ),
    }


def _words(names: str) -> dict[str, str]:
    """For each word, the end of the name of the enumeration's member that it stands for."""
    return {name: name.upper().replace("-", "_").replace("+", "_") for name in names.split()}


_AUTOMATIC = -1
_MOST_PARALLEL = 256
"""llama.cpp's LLAMA_MAX_SEQ."""
_MOST_LAYERS = 512
"""llama.cpp's LLAMA_MAX_LAYERS."""
_MOST_SIGNED = 2**31 - 1
_MOST_UNSIGNED = 2**32 - 1
_EXPERTS = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"
_DENSE = r"\.ffn_(up|down|gate)\."
_Mode = xllamacpp.llama_load_mode
_TRUTHS = dict.fromkeys(("on", "enabled", "true", "1"), True) | dict.fromkeys(
    ("off", "disabled", "false", "0"), False
)
"""The words that llama.cpp accepts for true and false."""
_SAMPLERS = {
    "e": "penalties",
    "d": "dry",
    "s": "top_n_sigma",
    "k": "top_k",
    "y": "typ_p",
    "p": "top_p",
    "m": "min_p",
    "x": "xtc",
    "t": "temperature",
}
_WORDS = {
    "llama_flash_attn_type": {"auto": "AUTO", "-1": "AUTO"}
    | {word: "ENABLED" if truth else "DISABLED" for word, truth in _TRUTHS.items()},
    "llama_load_mode": _words("auto none mmap mlock mmap+mlock") | {"dio": "DIRECT_IO"},
    "llama_pooling_type": _words("none mean cls last rank"),
    "llama_rope_scaling_type": _words("none linear yarn"),
    "llama_split_mode": _words("none layer row tensor"),
    "llama_lazy_mode": _words("on auto off"),
    "ggml_numa_strategy": _words("distribute isolate numactl"),
    "ggml_type": _words("f32 f16 bf16 q8_0 q4_0 q4_1 iq4_nl q5_0 q5_1"),
    "common_reasoning_format": _words("none auto deepseek deepseek-legacy"),
}
"""For each enumeration, the words that llama-server accepts."""
_BY_TYPE: dict[type, Callable[[Any], Any]] = {
    bool: _truth,
    int: int,
    float: _number,
    str: str,
    set: lambda text: set(text.split(",")),
}
_SIMPLE: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "n_parallel": ("n_parallel", _parallel),
    "n_gpu_layers": ("n_gpu_layers", _layers),
    "tensor_split": ("tensor_split", _shares),
    "fit_params_target": ("fit_params_target", _mebibytes),
    "moe_cache_mib": ("moe_cache_size", lambda _, text: int(text) << 20),
    "mmap": ("load_mode", lambda present, said: _load_mode(present, mapped=said)),
    "mlock": ("load_mode", lambda present, said: _load_mode(present, locked=said)),
    "direct_io": ("load_mode", lambda present, said: _Mode.LLAMA_LOAD_MODE_DIRECT_IO if said else present),
    "rope_scale": ("rope_freq_scale", lambda _, text: 1 / _number(text)),
    "tensor_buft_overrides": ("tensor_buft_overrides", _also),
    "cpu_moe": ("tensor_buft_overrides", _experts),
    "n_cpu_moe": ("tensor_buft_overrides", _of_first_layers(_EXPERTS)),
    "n_cpu_ffn": ("tensor_buft_overrides", _of_first_layers(_DENSE)),
    "slot_save_path": ("slot_save_path", _folder),
    "media_path": ("media_path", _folder),
    "lora": ("lora_adapters", _adapters),
    "lora_scaled": ("lora_adapters", _scaled_adapters),
    "mmproj.path": ("mmproj.path", _file),
    "mmproj_offload": ("mmproj_device", lambda present, said: present if said else "none"),
    "chat_template_file": ("chat_template", lambda _, path: _content(path)),
    "chat_template_kwargs": (
        "default_template_kwargs",
        lambda present, text: _template_values(present, **json.loads(text)),
    ),
    "reasoning_effort": (
        "default_template_kwargs",
        lambda present, text: (
            present if text == "default" else _template_values(present, reasoning_effort=text)
        ),
    ),
    "sampling.reasoning_budget_tokens": ("sampling.reasoning_budget_tokens", _whole(-1, _MOST_SIGNED)),
    "sampling.seed": ("sampling.seed", lambda _, text: _whole(-1, _MOST_UNSIGNED)(_, text) & _MOST_UNSIGNED),
    "sampling.penalty_last_n": ("sampling.penalty_last_n", _whole(0, _MOST_SIGNED)),
    "sampling.dry_penalty_last_n": ("sampling.dry_penalty_last_n", _whole(0, _MOST_SIGNED)),
    "sampler_sequence": (
        "sampling.samplers",
        lambda _, text: ";".join(_SAMPLERS[letter] for letter in text),
    ),
    "grammar": ("sampling.grammar", _grammar),
    "grammar_file": ("sampling.grammar", lambda _, path: _grammar(_, _content(path))),
    "json_schema": ("sampling.grammar", _schema),
    "json_schema_file": ("sampling.grammar", lambda _, path: _schema(_, _content(path))),
    "antiprompt": ("antiprompt", lambda present, text: [*present, text]),
    "verbose": ("verbosity", lambda *_: _MOST_SIGNED),
    "rerank": ("pooling_type", lambda *_: xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK),
    "speculative.types": ("speculative.types", _speculation),
    "speculative.default": ("speculative.types", lambda present, _: _speculation(present, "ngram-mod")),
    "speculative.draft.mparams.path": ("speculative.draft.mparams.path", _file),
    "speculative.draft.n_gpu_layers": ("speculative.draft.n_gpu_layers", _layers),
    "speculative.draft.sampling": (
        "speculative.draft.probabilistic",
        lambda _, text: {"greedy": False, "probabilistic": True}[text],
    ),
    "speculative.draft.tensor_buft_overrides": ("speculative.draft.tensor_buft_overrides", _also),
    "speculative.draft.cpu_moe": ("speculative.draft.tensor_buft_overrides", _experts),
    "speculative.draft.n_cpu_moe": ("speculative.draft.tensor_buft_overrides", _of_first_layers(_EXPERTS)),
    "speculative.ngram_cache.lookup_cache_static": ("speculative.ngram_cache.lookup_cache_static", _file),
}
CONVERSIONS: dict[str, Conversion] = {
    **{parameter: (Set(path, convert),) for parameter, (path, convert) in _SIMPLE.items()},
    "no_perf": (Set("no_perf", lambda _, said: said), Set("sampling.no_perf", lambda _, said: said)),
    "timeout": (
        Set("timeout_read", lambda _, text: int(text)),
        Set("timeout_write", lambda _, text: int(text)),
    ),
    "reasoning": (
        Set("enable_reasoning", lambda _, text: _AUTOMATIC if text in ("auto", "-1") else int(_truth(text))),
        Set(
            "default_template_kwargs",
            lambda present, text: (
                present if text in ("auto", "-1") else _template_values(present, enable_thinking=_truth(text))
            ),
        ),
    ),
    "reasoning_preserve": (
        Set("preserve_reasoning_specified", lambda *_: True),
        Set(
            "default_template_kwargs",
            lambda present, said: _template_values(present, preserve_reasoning=said),
        ),
    ),
    **_of_threads("cpuparams"),
    **_of_threads("cpuparams_batch"),
    **_of_threads("speculative.draft.cpuparams"),
    **_of_threads("speculative.draft.cpuparams_batch"),
}
"""Special cases by name of the parameter: those that set something other than one value of the parameter's
type."""
