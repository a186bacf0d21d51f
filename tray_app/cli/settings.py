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
    from tray_app.gateway.commands import AppCommands
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings

settings_commands = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="Show and change settings.")
key_commands = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Keep keys in the system's keychain, or in files."
)

KeyName = Annotated[
    str,
    typer.Argument(
        help="gateway: what clients must show. remote: what a remote server asks for. "
        "huggingface.co, or the host of its mirror: for gated files."
    ),
]


@settings_commands.command("show")
def settings_show(*, as_json: Json = False) -> None:
    """Print every setting with its value, and whether a changed one has no effect."""
    from tray_app.settings.schema import FIELDS

    with open_workspace(tolerant=True) as workspace:
        values = msgspec.to_builtins(workspace.store.current)
        if as_json:
            print_json(values)
        else:
            ignored = workspace.ignored_settings()
            for field in FIELDS:
                reason = f"  # without effect: {ignored[field.name]}" if field.name in ignored else ""
                echo(f"{field.name} = {_as_text(values[field.name])}{reason}")
        _raise_problem(workspace)


@settings_commands.command("get")
def settings_get(name: str) -> None:
    """Print the value of one setting."""
    from tray_app.settings.schema import field_named

    field = field_named(name)
    with open_workspace(tolerant=True) as workspace:
        echo(_as_text(getattr(workspace.store.current, field.name)))
        _raise_problem(workspace)


@settings_commands.command("set", context_settings={"ignore_unknown_options": True})  # `-ngl 0` is a value
def settings_set(
    name: str, value: Annotated[str, typer.Argument(help="All words of a list are one value, in quotes.")]
) -> None:
    """Change one setting. A running app takes it up at once."""
    from tray_app.gateway.commands import Changing
    from tray_app.settings.schema import parse_value

    parsed = parse_value(name, value)  # what cannot be a value troubles no app
    with app_commands(tolerant=True) as app:
        try:
            changed = app.change(Changing(name, value))
        except AppError:
            with open_workspace(tolerant=True) as workspace:
                if getattr(workspace.store.current, name) == parsed:  # it is kept, and could not be acted on
                    echo(f"{name} = {_as_text(parsed)}")
            raise
    echo(f"{name} = {changed.value}")
    if changed.complaint:
        echo(f"{changed.complaint}\nAs it was, it is kept as {changed.copy}.", err=True)
    _pass_on(app)


@settings_commands.command("path")
def settings_path() -> None:
    """Print where the settings file is."""
    echo(own_paths().settings_file)


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
    store.keep({name: key}, _settings(), in_files=file)
    echo(f"Kept {store.kept_place(name, in_file=file).words}.")
    _tell_of_variable(store, name)
    _pass_on()


@key_commands.command("remove")
def key_remove(name: KeyName) -> None:
    """Remove a key from the system's keychain, or its file."""
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
        echo(f"While {place.detail} is set in the environment, the key in it is used.")


def _settings() -> Settings:
    from tray_app.settings.store import SettingsStore

    return SettingsStore(own_paths().settings_file).current


def _pass_on(app: AppCommands | None = None) -> None:
    if pass_on_change(app):
        echo("The running app has taken it up.")


def _as_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _raise_problem(workspace: Workspace) -> None:
    """In a terminal somebody is there to mend the file, so nothing goes on with half of it."""
    if workspace.store.problem:
        raise workspace.store.problem
