"""The values of settings that belong to single models: reading, changing and applying them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import phrase
from tray_app.settings.aliases import same_name
from tray_app.settings.fields import ALL_FIELDS, MODEL_FIELDS, field_named, read_values
from tray_app.settings.schema import Scope
from tray_app.settings.value_text import parse_value

if TYPE_CHECKING:
    from tray_app.settings.fields import Field
    from tray_app.settings.schema import ModelSettings, Settings

_REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class ModelTables:
    """The tables `[models."ID"]` of a settings file."""

    usable: Mapping[str, ModelSettings] = field(default_factory=dict)
    """The valid values, by model id."""
    faults: Mapping[tuple[str, ...], SettingsError] = field(default_factory=dict)
    """What is invalid, by its place below `models`: (), (model,) or (model, setting)."""


def effective(settings: Settings, model_id: str | None, known: ModelSettings | None = None) -> Settings:
    """The settings that apply to one model: its own values, or else those for all. Its `models` is empty.

    `known`: defaults of this model, which are used for settings of which it has no value of its own.
    """
    own = settings.models.get(model_id, {}) if model_id else {}
    return replace(settings, **{**(known or {}), **own}, models=MappingProxyType({}))


def with_own(settings: Settings, model_id: str, values: Mapping[str, Any]) -> Settings:
    """The same settings with these values for one model; None removes the model's own value."""
    own = {**settings.models.get(model_id, {}), **values}
    kept = {name: value for name, value in own.items() if value is not None}
    others = {each: theirs for each, theirs in settings.models.items() if each != model_id}
    return replace(settings, models=frozen(others | ({model_id: kept} if kept else {})))


def with_values(settings: Settings, model_id: str | None, values: Mapping[str, Any]) -> Settings:
    """The same settings with these values in effect for a model: a value that the model already has is
    changed for it alone, any other for all models.
    """
    own = settings.models.get(model_id, {}) if model_id else {}
    for_all = replace(settings, **{name: value for name, value in values.items() if name not in own})
    its_own = {name: value for name, value in values.items() if name in own}
    return with_own(for_all, model_id, its_own) if model_id else for_all


def for_every_model(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The same settings with these values for all models, replacing their own values: for one run or a
    test.
    """
    models = {
        model_id: {name: value for name, value in own.items() if name not in values}
        for model_id, own in settings.models.items()
    }
    return replace(settings, **values, models=frozen(models))


def frozen(models: Mapping[str, Mapping[str, Any]]) -> Mapping[str, ModelSettings]:
    """A read-only copy, without models that have no values of their own."""
    return MappingProxyType({each: MappingProxyType(dict(own)) for each, own in models.items() if own})


def field_for(name: str, model_id: str | None) -> Field:
    """The setting with this name; `SettingsError` if it cannot have a value for this model, or for all if
    `model_id` is None.
    """
    each = field_named(name)
    if model_id is not None:
        return model_field(each)
    if each.scope is Scope.ONE:
        raise SettingsError(
            ErrorCode.SETTING_FOR_ONE_MODEL,
            phrase("The setting {name} belongs to a single model", name=name),
            "Each model has its own value. There is no value for all models.",
            phrase("Give the model: powerinfer-tray settings set {name} VALUE --model ID", name=name),
        )
    return each


def typed_value(name: str, text: str | None, model_id: str | None) -> Any:
    """The value that a person has typed for all models or for one; `SettingsError` if it is invalid.

    Without a text: the default, or None for a model, which removes its own value. The latter is allowed for
    every setting, because a file may have any of them in a model's table.
    """
    if text is None and model_id is not None:
        field_named(name)
        return None
    each = field_for(name, model_id)
    if text is None:
        return each.default
    value = parse_value(name, text)
    return value if model_id is None else check_own(each, value)


def model_field(each: Field) -> Field:
    """The same field; `SettingsError` if models cannot have their own values of it."""
    if each.scope is Scope.ALL:
        raise SettingsError(
            ErrorCode.SETTING_FOR_ALL_MODELS,
            phrase("The setting {name} applies to all models", name=each.name),
            phrase(
                "A model can have its own values for: {names}.",
                names=", ".join(other.name for other in MODEL_FIELDS),
            ),
            phrase(
                "To set it for all models, run: powerinfer-tray settings set {name} VALUE", name=each.name
            ),
        )
    return each


def check_own(each: Field, value: object) -> Any:
    """`value` as it is kept for a model; `SettingsError` if a model cannot have it."""
    checked = model_field(each).check(value)
    if each.name == "engine" and checked == _REMOTE:
        raise SettingsError(
            ErrorCode.SETTING_FOR_ALL_MODELS,
            "The engine of a model cannot be remote",
            "A remote server has its own models, so it is chosen for all models.",
            "To use it, run: powerinfer-tray settings set engine remote",
        )
    return checked


def aliases_of(settings: Settings) -> dict[str, str]:
    """The ids of models by their aliases."""
    return {alias: model_id for model_id, own in settings.models.items() for alias in own.get("aliases", ())}


def check_aliases(settings: Settings, model_id: str) -> None:
    """`SettingsError`, which names both models, if an alias of this model is also a name of another."""
    for (each, _), error in _conflicts(settings.models).items():
        if each == model_id:
            raise error


def read_tables(value: object) -> ModelTables:
    """The valid and invalid values in `value`, which a settings file has under the key `models`."""
    if not isinstance(value, Mapping):
        return ModelTables(faults={(): _no_table("models", value)})
    usable: dict[str, dict[str, Any]] = {}
    faults: dict[tuple[str, ...], SettingsError] = {}
    for model_id, table in value.items():
        if isinstance(table, Mapping):
            usable[model_id], wrong = read_values(table, ALL_FIELDS, check_own)
            faults |= {(model_id, name): error for name, error in wrong.items()}
        else:
            faults[model_id,] = _no_table(model_id, table)
    conflicts = _conflicts(usable)
    for model_id, alias in conflicts:
        usable[model_id]["aliases"] = tuple(each for each in usable[model_id]["aliases"] if each != alias)
    faults |= {(model_id, "aliases"): error for (model_id, _), error in conflicts.items()}
    return ModelTables(frozen(usable), faults)


def _conflicts(models: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], SettingsError]:
    """By model and alias, why the alias is invalid: another model has the same alias, or it is a model's
    id.
    """
    ids = {same_name(model_id): model_id for model_id in models}
    claims: dict[str, list[tuple[str, str]]] = {}
    for model_id, own in models.items():
        for alias in own.get("aliases", ()):
            claims.setdefault(same_name(alias), []).append((model_id, alias))
    found: dict[tuple[str, str], SettingsError] = {}
    for name, claimants in claims.items():
        for model_id, alias in claimants:
            others = [each for each, _ in claimants if each != model_id]
            if (meant := ids.get(name, model_id)) != model_id:
                found[model_id, alias] = is_an_id(alias, model_id, meant)
            elif others:
                found[model_id, alias] = _claimed_twice(alias, model_id, others[0])
    return found


def is_an_id(alias: str, model_id: str, meant: str) -> SettingsError:
    """The error about an alias of one model that is the id of another."""
    return SettingsError(
        ErrorCode.ALIAS_TAKEN,
        phrase("{alias} cannot be another name for {model}", alias=alias, model=model_id),
        phrase("It is the ID of another model, {other}.", other=meant),
        "Choose a name that no other model has.",
    )


def _claimed_twice(alias: str, model_id: str, other: str) -> SettingsError:
    return SettingsError(
        ErrorCode.ALIAS_TAKEN,
        phrase("{alias} cannot be another name for {model}", alias=alias, model=model_id),
        phrase("The model {other} has the same name.", other=other),
        "Choose a name that no other model has.",
    )


def _no_table(name: str, value: object) -> SettingsError:
    return SettingsError(
        ErrorCode.MODEL_SETTINGS_INVALID,
        phrase("{name} cannot be {value}", name=name, value=repr(value)),
        "It must be a table with the settings of a model.",
        'For example: [models."ID"]',
    )
