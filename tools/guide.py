"""Keeps the tables of docs/guide.md in step with the sources: `python -m tools`.

The rows of a table, and what the sources say in each, are written anew. What a setting does, which option
overrides it, and what a key is for are written by hand in the last cells, and kept; in a new row, the help
text of the source stands there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tools.tables import NOTHING, names_of_tables, table, with_tables
from tray_app.phrases import Translate
from tray_app.settings.fields import FIELDS, MODEL_FIELDS
from tray_app.settings.keys import KEYS
from tray_app.settings.schema import AUTO, Scope
from tray_app.ui.presenters.settings import group_title

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tray_app.settings.fields import Field
    from tray_app.settings.keys import Key

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "guide.md"
AS_FOR_ALL = "same as for all models"

_CELL_BORDER = re.compile(r"(?<!\\)\|")
_SETTINGS_HEAD = ("setting", "title", "default", "values", "effect", "flag")
_MODEL_HEAD = ("setting", "title", "default", "values", "effect")
_KEYS_HEAD = ("key", "title", "group in the dialog", "what it is for")


def main() -> None:
    """Write the guide."""
    GUIDE.write_text(rendered(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")


def rendered(text: str) -> str:
    """The guide with its tables as the sources have them. `ValueError` if one of them has no place in it."""
    if missing := {*_groups(), "model", "keys"} - names_of_tables(text):
        raise ValueError(f"The guide has no place for: {', '.join(sorted(missing))}")
    return with_tables(text, _table)


def _groups() -> Iterator[str]:
    for field in FIELDS:
        yield f"settings {field.group}"


def _table(name: str, old: str) -> str:
    kept = {cells[0]: cells for cells in map(_cells, old.splitlines()) if len(cells) > 1}
    match name.split():
        case ["settings", group]:
            rows = [_setting_row(field, kept) for field in FIELDS if field.group == group]
            return table(_SETTINGS_HEAD, rows)
        case ["model"]:
            return table(_MODEL_HEAD, [_model_row(field, kept) for field in MODEL_FIELDS])
        case ["keys"]:
            return table(_KEYS_HEAD, [_key_row(kept, *each) for each in _keys()])
    raise ValueError(f"Nobody knows what the table {name!r} should have")


def _setting_row(field: Field, kept: Mapping[str, list[str]]) -> list[str]:
    name = f"`{field.name}`"
    by_hand = kept[name][-2:] if name in kept else [_cell(_effect(field)), NOTHING]
    return [name, _cell(field.title), _cell(default_text(field)), _cell(values_text(field)), *by_hand]


def _model_row(field: Field, kept: Mapping[str, list[str]]) -> list[str]:
    name = f"`{field.name}`"
    default = AS_FOR_ALL if field.scope is Scope.EACH else default_text(field)
    by_hand = kept[name][-1] if name in kept else _cell(_effect(field))
    return [name, _cell(field.title), _cell(default), _cell(values_text(field)), by_hand]


def _keys() -> Iterator[tuple[str, str, str, str]]:
    for key in KEYS:
        yield f"`{key.name}`", str(key.title), group_title(key.group, Translate()), _effect(key)


def _key_row(kept: Mapping[str, list[str]], name: str, title: str, group: str, purpose: str) -> list[str]:
    return [name, _cell(title), group, kept[name][-1] if name in kept else _cell(purpose)]


def _effect(what: Field | Key) -> str:
    """What there is to say of a setting or key that nobody has described by hand yet."""
    return ". ".join(filter(None, (str(what.help), str(what.details).rstrip("."))))


def default_text(field: Field) -> str:
    """A setting's default as the guide has it."""
    if field.default in ("", ()):
        return NOTHING
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    return f"{field.default:g}" if field.kind is float and field.default != AUTO else str(field.default)


def values_text(field: Field) -> str:
    """What a setting may be."""
    if field.minimum is not None and field.maximum is not None:
        unit = f" {field.unit}" if field.unit else ""
        auto = ", or auto" if field.may_be_auto else ""
        return f"{field.minimum:g} to {field.maximum:.12g}{unit}{auto}"
    kinds: dict[type, str] = {bool: "on or off", tuple: "list", str: "text"}
    return " or ".join(field.choices) or kinds[field.kind]


def _cells(line: str) -> list[str]:
    """The cells of a table's row, as they are written."""
    return [cell.strip() for cell in _CELL_BORDER.split(line.strip())[1:-1]]


def _cell(text: str) -> str:
    return str(text).replace("|", r"\|")
