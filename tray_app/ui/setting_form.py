"""The changes in the settings dialog, for all models and for single ones. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tray_app.settings.fields import FIELDS, MODEL_FIELDS
from tray_app.settings.model_settings import effective
from tray_app.ui.presenters.settings import ALL_MODELS, read_drafts
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tray_app.settings.fields import Field
    from tray_app.settings.schema import ModelSettings, Settings
    from tray_app.ui.widgets.setting_editors import Editor, ResetButton


class SettingForm:
    """Shows the values for all models or for one in the editors, and keeps the changes for the others."""

    def __init__(self, editors: Mapping[str, Editor], resets: Mapping[str, ResetButton]) -> None:
        self.editors = editors
        self.resets = resets
        self.model = ALL_MODELS
        """The id of the model whose values are shown."""
        self.own: set[str] | None = None
        """The names of the model's own values among those that are shown; None for all models."""
        self.known: Mapping[str, ModelSettings] = {}
        """The catalog's settings of models, by their ids."""
        self._drafts: dict[str, dict[str, Any]] = {}
        """The changes for those that are not shown now."""
        self._put_values: dict[str, Any] = {}
        """What each editor showed when its value was last set by the app."""

    def draft(self) -> dict[str, Any]:
        """The changed values in the editors; None where a model's own value is taken away."""
        if self.own is None:
            return {name: value for name, value in self._shown(FIELDS) if value != self._initial[name]}
        kept = self._settings.models.get(self.model, {})
        own = {
            name: value
            for name, value in self._shown(MODEL_FIELDS)
            if name in self.own and (name not in kept or value != self._initial[name])
        }
        return own | {name: None for name in kept if name not in self.own}

    def drafts(self) -> dict[str, dict[str, Any]]:
        """The same for all models and for each that is changed, by id."""
        drafts = self._drafts | {self.model: self.draft()}
        return {model_id: draft for model_id, draft in drafts.items() if draft}

    def fill(self, settings: Settings, drafts: Mapping[str, dict[str, Any]], model_id: str) -> None:
        """Show the values of a model, or those for all, with what has been changed of them."""
        self._settings = settings
        self._drafts = {each: draft for each, draft in drafts.items() if each != model_id}
        self.model = model_id
        self.own = None if model_id == ALL_MODELS else set(settings.models.get(model_id, {}))
        values = effective(settings, model_id, self.known.get(model_id))
        for name in self.editors:
            self._put(name, getattr(values, name))
        self._initial = {name: editor.value() for name, editor in self.editors.items()}
        for name, value in drafts.get(model_id, {}).items():
            self._type(name, value)

    def take_changes(self) -> None:
        """Mark the values that a person has changed as the model's own."""
        for name, value in self._shown(MODEL_FIELDS):
            if value != self._put_values[name]:
                self._make_own(name)

    def release(self, name: str) -> None:
        """Take a model's own value away: the catalog's or the one for all models applies again."""
        if self.own is not None:
            self.own.discard(name)
            new, _ = read_drafts(self._settings, {ALL_MODELS: self._drafts.get(ALL_MODELS, {})}, tr)
            self._put(name, self.known.get(self.model, {}).get(name, getattr(new, name)))

    def _shown(self, fields: Iterable[Field]) -> list[tuple[str, Any]]:
        return [(field.name, self.editors[field.name].value()) for field in fields]

    def _put(self, name: str, value: Any) -> None:
        """Show a value that comes from the app, not from the person."""
        editor, reset = self.editors[name], self.resets[name]
        editor.blockSignals(True)
        editor.set_value(value)
        editor.blockSignals(False)
        self._put_values[name] = editor.value()
        reset.show_own(None if self.own is None else name in self.own)

    def _type(self, name: str, value: Any) -> None:
        """Show a change that the person made before; None: the model's own value is taken away."""
        if value is None:
            self.release(name)
        else:
            self._make_own(name)
            self.editors[name].set_value(value)

    def _make_own(self, name: str) -> None:
        if self.own is not None:
            self.own.add(name)
            self.resets[name].show_own(True)
