"""The terminal commands for models, and of these: import, verify, remove. Main thread.

Those of `show_models`, `upkeep` and `discover` are added to them here.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tray_app.cli.common import (
    CommandGroup,
    TakesTexts,
    app_commands,
    open_workspace,
)
from tray_app.cli.discover import models_files, models_search
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    below,
    echo,
    print_json,
)
from tray_app.cli.show_models import models_info, models_list, models_recommend, summary
from tray_app.cli.upkeep import adopt, outdated, space
from tray_app.errors import ModelError
from tray_app.models.import_modes import How
from tray_app.phrases import presentable

if TYPE_CHECKING:
    from tray_app.gateway.control.commands import Removed
    from tray_app.models.library import Library

models_commands = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="List, download and manage models."
)


models_commands.command("list")(models_list)
models_commands.command("info", cls=TakesTexts)(models_info)
models_commands.command("recommend")(models_recommend)


@models_commands.command("import", cls=TakesTexts)
def models_import(
    path: Annotated[Path, typer.Argument(help="A model file.")],
    how: Annotated[How, typer.Option(help="Copy it, move it, or use it where it is.")] = How.COPY,
    *,
    as_json: Json = False,
) -> None:
    """Import a model file into the models folder, with all files that belong to it."""
    from tray_app.cli.progress import WorkBar, plain_console

    with (
        open_workspace() as workspace,
        WorkBar(plain_console(stderr=True), f"Importing {presentable(path.name)}") as bar,
    ):
        imported = workspace.models.import_model(path, how, bar.show)
        model = workspace.library.find(str(imported[0]))
    if as_json:
        print_json({**summary(model), "files": [presentable(each) for each in imported]})
    else:
        echo(f"Imported {model.id} to {presentable(model.path)}")


@models_commands.command("verify", cls=TakesTexts)
def models_verify(
    references: Annotated[
        list[str] | None, typer.Argument(help="IDs, files or paths. Default: all models.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Check that model files are complete, by SHA-256 if it is known, otherwise by header and size."""
    from tray_app.cli.progress import WorkBar, plain_console
    from tray_app.models.integrity import Check

    results: list[dict[str, Any]] = []
    with open_workspace() as workspace, WorkBar(plain_console(stderr=True), "Verifying") as bar:
        chosen = (
            [(presentable(each), each) for each in references]
            if references
            else _all_files(workspace.library)
        )
        for name, reference in chosen:
            try:
                checked = workspace.models.verify_model(reference, bar.show)
            except ModelError as exc:
                results.append({"model": name, "ok": False, "error": str(exc)})
            else:
                results.append({"model": name, "ok": True, "checked": checked})
    ok = all(result["ok"] for result in results)
    if as_json:
        print_json({"ok": ok, "models": results})
    else:
        for result in results:
            how = "every byte" if result.get("checked") is Check.DIGEST else "header and size"
            echo(f"{result['model']}: {f'OK ({how})' if result['ok'] else result['error']}")
    raise typer.Exit(0 if ok else 1)


@models_commands.command("remove", cls=TakesTexts)
def models_remove(
    references: Annotated[
        list[str], typer.Argument(metavar="MODEL…", help="IDs, files in the models folder, or paths.")
    ],
    *,
    for_good: Annotated[
        bool, typer.Option("--for-good", help="Delete it permanently instead of moving it to the trash.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Allow models outside the models folder.")] = False,
    as_json: Json = False,
) -> None:
    """Move models and all files that belong to them to the trash, or delete them permanently.

    If the server is using one of them, it is stopped first. Models of other apps only leave the list.
    """
    from tray_app.gateway.control.commands import Removing

    with open_workspace() as workspace:
        # Before any goes: a wrong name removes nothing. A path is one of this terminal's folder.
        paths = dict.fromkeys(workspace.models.to_remove(each, anywhere=yes) for each in references)
    removals: list[Removed] = []
    with app_commands() as app:
        for path in paths:
            removals.append(app.remove(Removing(path, trash=not for_good, anywhere=yes)))
            if not as_json:
                _tell_of(removals[-1])
    if as_json:
        print_json(
            {
                "removed": [presentable(path) for each in removals for path in each.paths],
                "trashed": any(each.trashed for each in removals),
                "kept": [presentable(path) for each in removals for path in each.kept],
                "forgotten": [presentable(path) for each in removals for path in each.forgotten],
                "stopped_server": any(each.stopped_server for each in removals),
            }
        )


models_commands.command(cls=TakesTexts)(adopt)
models_commands.command()(outdated)
models_commands.command()(space)
models_commands.command("search", cls=TakesTexts)(models_search)
models_commands.command("files", cls=TakesTexts)(models_files)


def _tell_of(removal: Removed) -> None:
    if removal.stopped_server:
        echo("The server was stopped because it was using this model.")
    for path in removal.paths:
        echo(f"{'Moved to the trash:' if removal.trashed else 'Deleted'} {presentable(path)}")
    for path in removal.kept:
        echo(f"Only the link was removed. Its target was not touched: {presentable(path)}")
    for path in removal.forgotten:
        echo(f"No longer in the list. The other app's file was not touched: {presentable(path)}")


def _all_files(library: Library) -> list[tuple[str, str]]:
    """Names and paths of all that may be models, but for what is still being copied."""
    contents = library.contents()
    return [
        *((model.id, str(model.path)) for model in contents.models),
        *(
            (presentable(below(each.path, library.folder)), str(each.path))
            for each in contents.unusable
            if not each.arriving
        ),
    ]
