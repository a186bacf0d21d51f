"""The terminal commands for settings and keys; a running app is told of each change. Main thread."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tray_app.cli.common import CommandGroup, app_commands, open_workspace, own_paths, pass_on_change
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    echo,
    print_json,
)
from tray_app.errors import AppError

if TYPE_CHECKING:
    from tray_app.app.workspace import Workspace
    from tray_app.gateway.control.commands import AppCommands, Changing
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings

settings_commands = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="Show and change settings.")
key_commands = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Save keys in the system's keychain or in files."
)

KeyName = Annotated[
    str,
    typer.Argument(
        help="gateway: the API key of this server. remote: the API key of a remote server. "
        "huggingface.co, or the host of a mirror: for models that require accepting terms."
    ),
]


OneModel = Annotated[
    str | None,
    typer.Option("--model", metavar="ID", help="Only for this model: its ID, another name or a file."),
]


@settings_commands.command("show")
def settings_show(model: OneModel = None, *, as_json: Json = False) -> None:
    """Print all settings with their values, and which changed ones have no effect."""
    with open_workspace(tolerant=True) as workspace:
        model_id = _id_of(workspace, model)
        if model_id is None:
            _show_all(workspace, as_json=as_json)
        else:
            _show_model(workspace, model_id, as_json=as_json)
        _raise_problem(workspace)


def _show_all(workspace: Workspace, *, as_json: bool) -> None:
    """What holds for all models, and what models have of their own."""
    from tray_app.settings.fields import FIELDS

    settings = workspace.store.current
    if as_json:
        models = {model_id: dict(own) for model_id, own in settings.models.items()}
        print_json({field.name: getattr(settings, field.name) for field in FIELDS} | {"models": models})
        return
    ignored = workspace.ignored_settings()
    for field in FIELDS:
        reason = f"  # no effect: {ignored[field.name]}" if field.name in ignored else ""
        echo(f"{field.name} = {_as_text(getattr(settings, field.name))}{reason}")
    for model_id, own in settings.models.items():
        echo(f"\n[models.{_as_text(model_id)}]")
        for name, value in own.items():
            echo(f"{name} = {_as_text(value)}")


def _show_model(workspace: Workspace, model_id: str, *, as_json: bool) -> None:
    """What holds for one model, which of it is its own, and which of it the catalog knows."""
    from tray_app.settings.fields import MODEL_FIELDS
    from tray_app.settings.schema import Scope

    values, own = workspace.settings_of(model_id), workspace.store.current.models.get(model_id, {})
    known = workspace.library.known_defaults(model_id).keys() - own.keys()
    if as_json:
        shown = {
            field.name: {
                "value": getattr(values, field.name),
                "own": field.name in own,
                "from_catalog": field.name in known,
            }
            for field in MODEL_FIELDS
        }
        print_json({"model": model_id, "settings": shown})
        return
    ignored = workspace.ignored_settings(model_id)
    echo(f"# {model_id}")
    for field in MODEL_FIELDS:
        remark = "same as for all models" if field.scope is Scope.EACH else "default"
        if field.name in own:
            remark = "its own"
        elif field.name in known:
            remark = "from the catalog"
        reason = f", no effect: {ignored[field.name]}" if field.name in ignored else ""
        echo(f"{field.name} = {_as_text(getattr(values, field.name))}  # {remark}{reason}")


@settings_commands.command("get")
def settings_get(name: str, model: OneModel = None) -> None:
    """Print the value of a setting, for all models or for one."""
    from tray_app.settings.model_settings import field_for

    with open_workspace(tolerant=True) as workspace:
        model_id = _id_of(workspace, model)
        field = field_for(name, model_id)
        echo(_as_text(getattr(workspace.settings_of(model_id), field.name)))
        _raise_problem(workspace)


@settings_commands.command("set", context_settings={"ignore_unknown_options": True})  # `-ngl 0` is a value
def settings_set(
    name: str,
    value: Annotated[str, typer.Argument(help="Write a list as one value in quotes.")],
    model: OneModel = None,
) -> None:
    """Change a setting, for all models or for one. The running app applies it at once."""
    _change(name, value, model)


@settings_commands.command("unset")
def settings_unset(name: str, model: OneModel = None) -> None:
    """Reset a setting to its default or, for one model, to the value for all models."""
    _change(name, None, model)


def _change(name: str, text: str | None, model: str | None) -> None:
    """Have a setting changed, and say what it is now, also where that is kept and could not be acted on."""
    from tray_app.gateway.control.commands import Changing
    from tray_app.settings.model_settings import typed_value

    model_id = None
    if model is not None:
        with open_workspace(tolerant=True) as workspace:
            model_id = _id_of(workspace, model)
    wish = Changing(name, text, model_id)
    wanted = typed_value(wish.name, wish.text, wish.model_id)  # what cannot be a value troubles no app
    of_whom = "" if wish.model_id is None else f"  # for {wish.model_id}"
    with app_commands(tolerant=True) as app:
        try:
            changed = app.change(wish)
        except AppError:
            with open_workspace(tolerant=True) as workspace:
                kept = _kept(workspace.store.current, wish)
                in_force = workspace.settings_of(wish.model_id)
            if kept == wanted:
                echo(f"{name} = {_as_text(getattr(in_force, name))}{of_whom}")
            raise
    echo(f"{name} = {changed.value}{of_whom}")
    if changed.complaint:
        echo(f"{changed.complaint}\nThe old file was saved as {changed.copy}.", err=True)
    _pass_on(app)


def _kept(settings: Settings, wish: Changing) -> object:
    """The value that the wish is about; None where a model has none of its own."""
    if wish.model_id is None:
        return getattr(settings, wish.name)
    return settings.models.get(wish.model_id, {}).get(wish.name)


def _id_of(workspace: Workspace, reference: str | None) -> str | None:
    """The id of the model that is meant: one that is here, on offer, or has a table in the file."""
    from tray_app.models.references import NotInstalledError

    if reference is None or reference in workspace.store.current.models:
        return reference
    try:
        return workspace.library.find(reference).id
    except NotInstalledError as exc:
        return exc.entry.id


@settings_commands.command("path")
def settings_path() -> None:
    """Print the path of the settings file."""
    echo(own_paths().settings_file)


@key_commands.command("set")
def key_set(
    name: KeyName,
    *,
    file: Annotated[
        bool, typer.Option("--file", help="Save it in a file that only you can read instead of the keychain.")
    ] = False,
) -> None:
    """Save a key in the system's keychain. You are asked for it, or it is read from a pipe."""
    key = typer.prompt("Key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    store = _keys()
    store.keep({name: key}, _settings(), in_files=file)
    echo(f"Key saved {store.kept_place(name, in_file=file).words}.")
    _tell_of_variable(store, name)
    _pass_on()


@key_commands.command("remove")
def key_remove(name: KeyName) -> None:
    """Remove a key from the system's keychain or its file."""
    store = _keys()
    store.keep({name: None}, _settings())
    echo("Removed.")
    _tell_of_variable(store, name)
    _pass_on()


def _keys() -> KeyStore:
    from tray_app.settings.keystore import KeyStore

    return KeyStore(own_paths().keys, os.environ)


def _tell_of_variable(store: KeyStore, name: str) -> None:
    from tray_app.settings.keystore import Keeper

    place = store.where(name, ask_keychain=False)
    if place and place.keeper is Keeper.ENVIRONMENT:
        echo(f"The environment variable {place.detail} is set, so its key is used instead.")


def _settings() -> Settings:
    from tray_app.settings.store import SettingsStore

    return SettingsStore(own_paths().settings_file).current


def _pass_on(app: AppCommands | None = None) -> None:
    if pass_on_change(app):
        echo("Applied to the running app.")


def _as_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _raise_problem(workspace: Workspace) -> None:
    """In a terminal somebody is there to mend the file, so nothing goes on with half of it."""
    if workspace.store.problem:
        raise workspace.store.problem
