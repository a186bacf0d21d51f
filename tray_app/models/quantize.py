"""Makes a smaller model from a large one with an engine's `quantize` program. Any thread; takes minutes."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.errors import ErrorCode, ModelError
from tray_app.models import file_errors
from tray_app.models.ggml import TENSOR_TYPES
from tray_app.models.gguf import read_header
from tray_app.models.header import GgufFileType
from tray_app.models.space import require_space
from tray_app.phrases import phrase
from tray_app.system.child import Launch, lines_of
from tray_app.system.environment import engine_environment
from tray_app.system.executable import find_on_path
from tray_app.system.files import make_own
from tray_app.system.process import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.models.ggml import TensorType
    from tray_app.models.header import ModelHeader
    from tray_app.phrases import Text
    from tray_app.system.child import Child, Launcher

SPARSE_TYPES = frozenset({"F16", "Q4_0"})
"""PowerInfer computes nonsense from feed-forward weights of any other type."""

_NAMES = ("quantize", "llama-quantize")
_ON_PATH = ("powerinfer-quantize", "llama-quantize")
"""Without `quantize`, which is also the name of other programs."""
_HELP_TIMEOUT_S = 10.0
_TYPE = re.compile(r"^\s*\d+\s+or\s+(\w+)\s*:", re.MULTILINE)
_TENSOR = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")
_MARGIN = 1.2  # mixes keep some tensors in a larger type
_LAST_LINES = 3
_NO_SPACE = "Free some space, or choose another folder."
_REASON = "llama_model_quantize: "


@dataclass(frozen=True, slots=True)
class Quantizer:
    """A program that quantizes, and the types that its help lists."""

    program: Path
    types: tuple[str, ...]

    def types_for(self, header: ModelHeader) -> tuple[str, ...]:
        """The types with which the model's engine can run the result."""
        return tuple(name for name in self.types if not header.sparse or name in SPARSE_TYPES)


def find_quantizer(engine_program: Path | None) -> Quantizer | None:
    """The program beside an engine's server, else one on the PATH; None if there is none."""
    suffix = ".exe" if os.name == "nt" else ""
    beside = [engine_program.with_name(name + suffix) for name in _NAMES] if engine_program else []
    on_path = filter(None, map(find_on_path, _ON_PATH))
    for program in (*beside, *on_path):
        if program.is_file() and (types := _offered_types(program)):
            return Quantizer(program, types)
    return None


def quantize(
    quantizer: Quantizer,
    source: Path,
    target: Path,
    type_name: str,
    *,
    launcher: Launcher,
    on_tensor: Callable[[int, int], object],
) -> Path:
    """Write `source` in another type to `target`, which appears only when it is complete; returns `target`.

    `on_tensor` gets the number of tensors done and their total; what it raises ends the program. `ModelError`
    if the model or the type is not suitable, the disk is full, or the program fails.
    """
    header = read_header(source)
    _refuse(header, quantizer, source, target, type_name)
    partial = target.with_name(f".{target.name}.quantizing")
    argv = (str(quantizer.program), str(source.absolute()), str(partial.absolute()), type_name)
    _take_place(partial)
    try:
        with tempfile.TemporaryDirectory() as folder:  # it may write logs into its working folder
            child = launcher.launch(Launch(argv, engine_environment(), Path(folder)))
            _watch(child, source.name, target.parent, on_tensor)
        if read_header(partial).sparse is not header.sparse:
            raise ModelError(
                ErrorCode.QUANTIZATION_FAILED,
                phrase("{name} could not be quantized", name=source.name),
                phrase("{program} turned it into a different kind of model.", program=quantizer.program),
                "Use the program that comes with the model's engine.",
            )
        partial.replace(target)
    except OSError as exc:
        raise ModelError(
            ErrorCode.QUANTIZATION_FAILED,
            phrase("{name} could not be quantized", name=source.name),
            phrase(
                "{reason} ({path}).",
                reason=exc.strerror or exc,
                path=exc.filename or quantizer.program,
            ),
            "Check that the program can run and that you have permission to write there.",
        ) from exc
    finally:
        partial.unlink(missing_ok=True)
    return target


def needed_bytes(header: ModelHeader, type_name: str) -> int:
    """The largest expected size of the result in bytes."""
    kind = _storage_of(type_name)
    return int(header.parameters / kind.block_elements * kind.block_bytes * _MARGIN)


def _storage_of(type_name: str) -> TensorType:
    """The type of most weights in a mix: Q4_K for `Q4_K_M`, the largest IQ3 for `IQ3_M`, F32 if unknown."""
    named = [kind for kind in TENSOR_TYPES.values() if type_name.startswith(kind.name)]
    if named:
        return max(named, key=lambda kind: len(kind.name))
    family = type_name.partition("_")[0] + "_"
    related = (kind for kind in TENSOR_TYPES.values() if kind.name.startswith(family))
    return max(related, key=lambda kind: kind.block_bytes / kind.block_elements, default=TENSOR_TYPES[0])


def _refuse(header: ModelHeader, quantizer: Quantizer, source: Path, target: Path, type_name: str) -> None:
    """`ModelError` if it is clear in advance that this is not possible."""
    title = phrase("{name} cannot be quantized", name=source.name)
    types = quantizer.types_for(header)
    if header.role is not GgufFileType.MODEL or header.split_count > 1:
        raise ModelError(
            ErrorCode.MODEL_NOT_QUANTIZABLE,
            title,
            "It is not a single, complete model file.",
            "Choose a model that is a single file.",
        )
    if type_name not in types:
        raise ModelError(
            ErrorCode.QUANTIZATION_TYPE_INVALID,
            title,
            phrase("Sparse models cannot be quantized to {type}.", type=type_name)
            if header.sparse
            else phrase("Regular models cannot be quantized to {type}.", type=type_name),
            phrase("Choose one of: {names}", names=", ".join(types)),
        )
    if os.path.lexists(target):
        raise file_errors.taken(target)
    if not target.parent.is_dir():
        raise ModelError(
            ErrorCode.FOLDER_MISSING,
            title,
            phrase("The folder {folder} does not exist.", folder=target.parent),
            "Create it, or choose another folder.",
        )
    require_space(target.parent, needed_bytes(header, type_name), _NO_SPACE)


def _take_place(partial: Path) -> None:
    """Make the file that the program will write, because it would write through a link. `ModelError`."""
    try:
        make_own(partial)
    except OSError as exc:
        raise ModelError(
            ErrorCode.FILE_NOT_WRITABLE,
            phrase("{name} could not be written", name=partial.name),
            phrase("{reason} ({path}).", reason=exc.strerror or exc, path=partial),
            "Delete it if you do not need it and check that you have permission to write there, "
            "or choose another folder.",
        ) from exc


def _watch(child: Child, name: str, folder: Path, on_tensor: Callable[[int, int], object]) -> None:
    """Report progress until the program ends; `ModelError` if it fails or the folder's disk gets full."""
    last: list[str] = []
    try:
        for line in lines_of(child):
            if found := _TENSOR.match(line):
                require_space(folder, 0, _NO_SPACE)
                on_tensor(int(found[1]), int(found[2]))
            if line:
                last = [*last, line][-_LAST_LINES:]
    except BaseException:
        child.kill()
        child.wait()
        raise
    if code := child.wait():
        raise ModelError(
            ErrorCode.QUANTIZATION_FAILED,
            phrase("{name} could not be quantized", name=name),
            phrase("The program stopped with {code}: {reason}", code=code, reason=_reason(last)),
            "To change the quantization of a model, start from its F16 or F32 file.",
        )


def _reason(lines: list[str]) -> Text:
    """The reason that the program printed after the name of a tensor, or else its last line."""
    reasons = (line.partition(_REASON)[2] for line in lines if _REASON in line)
    return next(reasons, lines[-1] if lines else phrase("it gave no reason."))


def _offered_types(program: Path) -> tuple[str, ...]:
    """The types in the program's help, without repetitions; empty if it is another program with this name."""
    try:
        answer = ask((str(program), "--help"), _HELP_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(dict.fromkeys(_TYPE.findall(answer.text)))
