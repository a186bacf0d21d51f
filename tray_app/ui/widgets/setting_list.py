"""Fills the groups of the settings dialog with their rows. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.settings.fields import ALL_FIELDS
from tray_app.settings.keys import KEYS
from tray_app.ui.presenters.setting_search import folded, words_of
from tray_app.ui.presenters.settings import choice_title
from tray_app.ui.texts import tr
from tray_app.ui.widgets.setting_rows import COMMAND_LINE, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tray_app.settings.fields import Field
    from tray_app.settings.keys import Key
    from tray_app.ui.setting_form import SettingForm
    from tray_app.ui.widgets.key_editor import KeyEditor
    from tray_app.ui.widgets.setting_editors import CommandLine
    from tray_app.ui.widgets.setting_groups import SettingGroups


def add_rows(groups: SettingGroups, form: SettingForm, keys: Mapping[str, KeyEditor]) -> dict[str, Row]:
    """Add a row for each setting, and for each key below its setting, to their groups; all rows by name."""
    rows: dict[str, Row] = {}
    for field in ALL_FIELDS:
        choices = [choice_title(field.name, choice, tr) for choice in field.choices]
        card = groups.card(field.group, advanced=field.advanced)
        editor, reset = form.editors[field.name], form.resets[field.name]
        rows[field.name] = Row(card, _texts(field), editor, reset, words=words_of(field, choices, tr))
        groups.add(field.name, rows[field.name], card)
        for key in KEYS:
            if key.setting == field.name:
                typed, words = keys[key.name], words_of(key, (), tr)
                row = Row(card, _texts(key), typed, typed.remove_button, words=words, wide=True)
                rows[key.name] = row
                groups.add(key.name, row, card)
    return rows


def add_command_row(groups: SettingGroups, view: CommandLine) -> None:
    """Add the row of the command line, which is not a setting, below those of the engine."""
    texts = (tr("Command line"), tr("What the app runs with these settings"), "")
    card = groups.card("speed", advanced=True)
    words = folded(" ".join(("command line", *texts)))
    groups.add(COMMAND_LINE, Row(card, texts, view, words=words, wide=True), card)


def _texts(what: Field | Key) -> tuple[str, str, str]:
    return tr.said(what.title), tr.said(what.help), tr.said(what.details)
