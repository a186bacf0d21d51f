"""The errors for files that are not whole models. Pure. `name` is always for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import ErrorCode, ModelError
from tray_app.models.header import GgufFileType
from tray_app.phrases import phrase, presentable

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.phrases import Text


_KINDS = {
    GgufFileType.PROJECTOR: phrase("a projector file"),
    GgufFileType.ADAPTER: phrase("an adapter file"),
    GgufFileType.OTHER: phrase("a supplementary file"),
}


def foreign(data: bytes, name: str) -> ModelError:
    """The error for a file that does not start like a model. `data`: its first `HEAD_BYTES`, or fewer."""
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return not_a_model(name, "The file is empty.", "Download it again.")
    if start.startswith((b"<!doctype html", b"<html")):
        return not_a_model(
            name,
            "It is an HTML page, probably the page that describes the file.",
            "Download the file itself. On Hugging Face, its URL contains /resolve/ instead of /blob/.",
        )
    if start.startswith(b"version https://git-lfs"):
        return not_a_model(
            name,
            "It is only a Git LFS pointer, not the file itself.",
            "Run “git lfs pull”, or download the file.",
        )
    return not_a_model(name, phrase("It starts with {bytes} instead of GGUF or PWRI.", bytes=repr(data[:4])))


def none_chosen() -> ModelError:
    """No model is chosen."""
    return ModelError(
        ErrorCode.MODEL_NOT_CHOSEN,
        "No model is chosen",
        "The server needs a model, but the setting “model” is empty.",
        "Choose one on the Models page, or try the built-in test model, which gives "
        "meaningless answers: powerinfer-tray serve --model test",
    )


def missing(name: str, path: Path) -> ModelError:
    """There is no file."""
    return ModelError(
        ErrorCode.MODEL_FILE_MISSING,
        phrase("The model file {name} does not exist", name=name),
        phrase("There is no file at {path}.", path=path),
        "Choose or download a model.",
    )


def taken(target: Path) -> ModelError:
    """Something already exists at the path of a new file."""
    return ModelError(
        ErrorCode.FILE_EXISTS,
        phrase("{name} already exists", name=target.name),
        phrase("It is in {folder} and was left unchanged.", folder=target.parent),
        "Remove it, or rename one of the files.",
    )


def no_folder(name: str) -> ModelError:
    """A path ends with a slash, and there is no such folder."""
    return ModelError(
        ErrorCode.FOLDER_MISSING,
        phrase("The folder {name} does not exist", name=name),
        "A slash at the end stands for a folder, but a model is a file.",
        "Remove the slash, or check the name.",
    )


def unreadable(path: Path, name: str, why: Text) -> ModelError:
    """The system does not allow the file to be read."""
    return ModelError(
        ErrorCode.MODEL_FILE_UNREADABLE,
        phrase("The model file {name} could not be read", name=name),
        phrase("{why} ({path}).", why=why, path=path),
        "Check the path and its permissions.",
    )


def not_a_model(name: str, why: Text, hint: Text = "Choose a model in the GGUF format.") -> ModelError:
    """The file is something else."""
    return ModelError(ErrorCode.NOT_A_MODEL, phrase("{name} is not a model", name=name), why, hint)


def incomplete(name: str, why: Text) -> ModelError:
    """The end of the file is missing."""
    return ModelError(
        ErrorCode.MODEL_FILE_INCOMPLETE,
        phrase("The model file {name} is incomplete", name=name),
        why,
        "Download or copy it again.",
    )


def damaged(name: str, why: Text) -> ModelError:
    """The content of the file is invalid."""
    return ModelError(
        ErrorCode.MODEL_FILE_DAMAGED,
        phrase("The model file {name} is damaged", name=name),
        why,
        "Download or copy it again.",
    )


def unknown_entry(name: str, key: str, number: int) -> ModelError:
    """An entry of the header has a type that the format does not know."""
    return damaged(
        name, phrase("Its entry {key} has the unknown type {number:,}.", key=repr(key[:60]), number=number)
    )


def bytes_missing(name: str, present_bytes: int, implied_bytes: int) -> ModelError:
    """The file ends before its last weight."""
    return incomplete(
        name,
        phrase(
            "It has {present:,} of {whole:,} bytes, so {missing:,} are missing.",
            present=present_bytes,
            whole=implied_bytes,
            missing=implied_bytes - present_bytes,
        ),
    )


def no_projector(model: str, wanted: str, why: Text) -> ModelError:
    """The file that a model's setting names is not a projector."""
    return ModelError(
        ErrorCode.PROJECTOR_UNUSABLE,
        phrase(
            "{model} cannot have {projector} as its projector", model=model, projector=presentable(wanted)
        ),
        why,
        "Set “Projector” of this model to its mmproj file, or to none.",
    )


def not_to_be_served(name: str, role: GgufFileType) -> ModelError:
    """The file has the format of models but only belongs to one."""
    return ModelError(
        ErrorCode.NOT_A_WHOLE_MODEL,
        phrase("{name} is not a model by itself", name=name),
        phrase("It is {kind}, which belongs to a model.", kind=_KINDS[role]),
        "Choose the model that it belongs to.",
    )
