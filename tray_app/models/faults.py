"""What is said of a file that is no whole model. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.models.header import Role


def foreign(data: bytes, name: str) -> ModelError:
    """What a file without a model's first bytes is, as far as can be told."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return not_a_model(name, "The file is empty.", "Download it again.")
    if start.startswith((b"<!doctype html", b"<html")):
        return not_a_model(
            name,
            "It is an HTML page, probably the page that describes the file.",
            "Download the file itself: on Hugging Face its address has /resolve/ where the page has /blob/.",
        )
    if start.startswith(b"version https://git-lfs"):
        return not_a_model(
            name,
            "It is a Git LFS pointer, that only stands for the file.",
            "Run «git lfs pull», or download it.",
        )
    return not_a_model(name, f"It begins with {data[:4]!r}, and not with GGUF or PWRI.")


def missing(name: str, path: Path) -> ModelError:
    """Nothing is there."""
    return ModelError(
        f"The model file {name} does not exist", f"Nothing is at {path}.", "Choose or download a model."
    )


def unreadable(path: Path, name: str, why: str) -> ModelError:
    """The system does not give it out."""
    return ModelError(
        f"The model file {name} cannot be read", f"{why} ({path}).", "Check the path and its permissions."
    )


def not_a_model(name: str, why: str, hint: str = "Choose a model in the GGUF format.") -> ModelError:
    """It is something else."""
    return ModelError(f"{name} is not a model", why, hint)


def incomplete(name: str, why: str) -> ModelError:
    """Its end is missing."""
    return ModelError(f"The model file {name} is incomplete", why, "Download or copy it again.")


def damaged(name: str, why: str) -> ModelError:
    """Its bytes make no sense."""
    return ModelError(f"The model file {name} is damaged", why, "Download or copy it again.")


def unknown_entry(name: str, key: str, number: int) -> ModelError:
    """An entry of its header is of a type that the format does not have."""
    return damaged(name, f"Its entry {key[:60]!r} is of the unknown type {number:,}.")


def bytes_missing(name: str, present_bytes: int, implied_bytes: int) -> ModelError:
    """It ends before its last weight does."""
    return incomplete(
        name,
        f"{present_bytes:,} of {implied_bytes:,} bytes are there, "
        f"{implied_bytes - present_bytes:,} are missing.",
    )


def not_to_be_served(name: str, role: Role) -> ModelError:
    """It is of the format of models, but goes with one."""
    return ModelError(
        f"{name} is no model by itself",
        f"It is {'an' if role[0] in 'aeiou' else 'a'} {role} file, which goes with a model.",
        "Choose the model that it belongs to.",
    )
