"""The terminal commands for settings and keys; a running app is told of each change. Main thread."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from msgspec.structs import replace

from tray_app.app.diagnostics import collect_inputs, ignored_by
from tray_app.cli.common import (  # noqa: TC001 - typer reads Json at run time
    Json,
    echo,
    open_library,
    print_json,
)
from tray_app.errors import SettingsError
from tray_app.gateway.client import find_running
from tray_app.models.library import NotInstalledError
from tray_app.phrases import phrase
from tray_app.settings.keystore import Keeper, KeyStore
from tray_app.settings.model_settings import check_own, effective, model_field, with_own
from tray_app.settings.schema import FIELDS, MODEL_FIELDS, Scope, field_named, parse_value
from tray_app.settings.store import SettingsStore
from tray_app.system.autostart import Login, app_command, autostart_for, look_at, switch
from tray_app.system.host import detect_system
from tray_app.system.paths import AppPaths

if TYPE_CHECKING:
    from tray_app.settings.schema import Field, Settings
    from tray_app.system.autostart import Autostart

settings_commands = typer.Typer(no_args_is_help=True, help="Show and change settings.")
key_commands = typer.Typer(no_args_is_help=True, help="Keep keys in the system's keychain, or in files.")

KeyName = Annotated[
    str,
    typer.Argument(
        help="gateway: what clients must show. remote: what a remote server asks for. "
        "huggingface.co, or the host of its mirror: for gated files."
    ),
]


OneModel = Annotated[
    str | None,
    typer.Option("--model", metavar="ID", help="For this model alone: an id, another name of it, or a file."),
]


@settings_commands.command("show")
def settings_show(model: OneModel = None, *, as_json: Json = False) -> None:
    """Print every setting with its value, and whether a changed one has no effect."""
    store = _settings()
    if model is not None:
        _show_model(store, _id_of(store, model), as_json=as_json)
    elif as_json:
        models = {model_id: dict(own) for model_id, own in store.current.models.items()}
        print_json({field.name: getattr(store.current, field.name) for field in FIELDS} | {"models": models})
    else:
        ignored = ignored_by(collect_inputs(os.environ))
        for field in FIELDS:
            reason = f"  # without effect: {ignored[field.name]}" if field.name in ignored else ""
            echo(f"{field.name} = {_as_text(getattr(store.current, field.name))}{reason}")
        for model_id, own in store.current.models.items():
            echo(f"\n[models.{_as_text(model_id)}]")
            for name, value in own.items():
                echo(f"{name} = {_as_text(value)}")
    _raise_problem(store)


def _show_model(store: SettingsStore, model_id: str, *, as_json: bool) -> None:
    """What holds for one model, and which of it is its own."""
    values, own = effective(store.current, model_id), store.current.models.get(model_id, {})
    if as_json:
        shown = {
            field.name: {"value": getattr(values, field.name), "own": field.name in own}
            for field in MODEL_FIELDS
        }
        print_json({"model": model_id, "settings": shown})
        return
    patient = collect_inputs(os.environ)
    ignored = ignored_by(dataclasses.replace(patient, settings=replace(patient.settings, model=model_id)))
    echo(f"# {model_id}")
    for field in MODEL_FIELDS:
        remark = "its own" if field.name in own else "as for all" if field.scope is Scope.EACH else "default"
        reason = f", without effect: {ignored[field.name]}" if field.name in ignored else ""
        echo(f"{field.name} = {_as_text(getattr(values, field.name))}  # {remark}{reason}")


@settings_commands.command("get")
def settings_get(name: str, model: OneModel = None) -> None:
    """Print the value of one setting; for a model, what holds for it."""
    store = _settings()
    model_id = _id_of(store, model) if model is not None else None
    field = _field_for(name, model_id)
    echo(_as_text(getattr(effective(store.current, model_id), field.name)))
    _raise_problem(store)


@settings_commands.command("set", context_settings={"ignore_unknown_options": True})  # `-ngl 0` is a value
def settings_set(
    name: str,
    value: Annotated[str, typer.Argument(help="All words of a list are one value, in quotes.")],
    model: OneModel = None,
) -> None:
    """Change one setting, for all models or for one. A running app takes it up at once."""
    store = _settings()
    model_id = _id_of(store, model) if model is not None else None
    field = _field_for(name, model_id)
    parsed = parse_value(field.name, value)
    if model_id is None:
        _replace(store, replace(store.current, **{name: parsed}))
    else:
        _replace(store, _with_own(store, model_id, field, parsed))
    _tell(name, parsed, model_id)


@settings_commands.command("unset")
def settings_unset(name: str, model: OneModel = None) -> None:
    """Go back to the default of a setting; for a model, to what holds for all."""
    store = _settings()
    if model is None:
        default = _field_for(name, None).default
        _replace(store, replace(store.current, **{name: default}))
        _tell(name, default, None)
        return
    model_id, field = _id_of(store, model), field_named(name)
    store.remove_own(model_id, field.name)
    _tell(name, getattr(effective(store.current, model_id), field.name), model_id)


def _field_for(name: str, model_id: str | None) -> Field:
    """The setting of that name, for all models or for one; `SettingsError` if it has no such value."""
    field = field_named(name)
    if model_id is not None:
        return model_field(field)
    if field.scope is Scope.ONE:
        raise SettingsError(
            phrase("The setting {name} is one of a single model", name=name),
            "Each model has its own, and there is none for all.",
            phrase("Name the model: powerinfer-tray settings set {name} VALUE --model ID", name=name),
        )
    return field


def _id_of(store: SettingsStore, reference: str) -> str:
    """The id of the model that is meant: one that is here, on offer, or has a table in the file."""
    if reference in store.current.models:
        return reference
    try:
        return open_library(store).find(reference).id
    except NotInstalledError as exc:
        return exc.entry.id


def _with_own(store: SettingsStore, model_id: str, field: Field, value: Any) -> Settings:
    """The settings with this value for one model; `SettingsError` if it cannot have it."""
    checked = check_own(field, value)
    if field.name == "aliases":
        for error in open_library(store).hidden_aliases(dict.fromkeys(checked, model_id)).values():
            raise error
    return with_own(store.current, model_id, {field.name: checked})


def _replace(store: SettingsStore, new: Settings) -> None:
    """Save settings, and do what the system keeps of them."""
    old, problem = store.current, store.problem
    store.replace(new)
    if store.current.launch_at_login != old.launch_at_login:
        switch(_login_entry(), on=store.current.launch_at_login)
    if problem:
        echo(f"{problem.title}.\n{problem.message}\nAs it was, it is kept as {store.broken_copy}.", err=True)


def _tell(name: str, value: object, model_id: str | None) -> None:
    """Say what a setting is now, and have a running app take it up."""
    echo(f"{name} = {_as_text(value)}{f'  # for {model_id}' if model_id is not None else ''}")
    _tell_running_app()


@settings_commands.command("path")
def settings_path() -> None:
    """Print where the settings file is."""
    echo(_paths().settings_file)


@key_commands.command("set")
def key_set(
    name: KeyName,
    *,
    file: Annotated[
        bool, typer.Option("--file", help="Keep it in a file that only you can read, not in the keychain.")
    ] = False,
) -> None:
    """Keep a key in the system's keychain; it is asked for, or read from a pipe."""
    key = typer.prompt("Key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    store = _keys()
    store.keep({name: key}, _settings().current, in_files=file)
    echo(f"Kept {store.kept_place(name, in_file=file).words}.")
    _tell_of_variable(store, name)
    _tell_running_app()


@key_commands.command("remove")
def key_remove(name: KeyName) -> None:
    """Remove a key from the system's keychain, or its file."""
    store = _keys()
    store.keep({name: None}, _settings().current)
    echo("Removed.")
    _tell_of_variable(store, name)
    _tell_running_app()


def _paths() -> AppPaths:
    return AppPaths.from_environment(os.environ)


def _keys() -> KeyStore:
    return KeyStore(_paths().keys, os.environ)


def _tell_of_variable(store: KeyStore, name: str) -> None:
    place = store.where(name, ask_keychain=False)
    if place and place.keeper is Keeper.ENVIRONMENT:
        echo(f"While {place.detail} is set in the environment, the key in it is used.")


def _settings() -> SettingsStore:
    """The settings, with the one among them that the system keeps."""
    store = SettingsStore(_paths().settings_file)
    store.override(launch_at_login=look_at(_login_entry()) is Login.ON)
    return store


def _login_entry() -> Autostart:
    return autostart_for(detect_system(sys.platform), os.environ, app_command())


def _tell_running_app() -> None:
    if running := find_running(_paths().state):
        running.reload()
        echo("The running app has taken it up.")


def _as_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _raise_problem(store: SettingsStore) -> None:
    """In a terminal somebody is there to mend the file, so nothing goes on with half of it."""
    if store.problem:
        raise store.problem
