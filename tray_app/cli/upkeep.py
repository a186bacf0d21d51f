"""The terminal commands that look after models: adopt, outdated, space. Main thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tray_app.cli.common import open_workspace
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    below,
    echo,
    print_json,
)
from tray_app.phrases import presentable

if TYPE_CHECKING:
    from tray_app.models.disk_use import DiskUse, ModelSpace


def adopt(
    references: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME…]", help="Names or paths of models found. Without any, they are listed."
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Use models of other apps in place, without copying them. Without a name, list the models found.

    Looks for LM Studio, Ollama, Jan, GPT4All, llama.cpp and the cache of Hugging Face.
    """
    from rich.filesize import decimal

    with open_workspace() as workspace:
        models = workspace.upkeep.adopt(references) if references else ()
        found = () if references else workspace.upkeep.found()
    if as_json:
        print_json(
            {
                "adopted": [
                    {"id": each.id, "name": each.name, "app": each.app, "path": presentable(each.path)}
                    for each in models
                ],
                "found": [
                    {
                        "name": each.name,
                        "app": each.app,
                        "path": presentable(each.path),
                        "size_bytes": each.size_bytes,
                    }
                    for each in found
                ],
            }
        )
        return
    for model in models:
        echo(f"{model.id}: used in place from {model.app}: {presentable(model.path)}")
    for each in found:
        echo(f"{each.name}: from {each.app}, {decimal(each.size_bytes)}, {presentable(each.path)}")
    if not references:
        echo(
            "To use one in place, run: powerinfer-tray models adopt NAME"
            if found
            else "No other app on this computer has a model that is not in your list already."
        )


def outdated(*, as_json: Json = False) -> None:
    """Check whether newer files of your models are available. Downloads nothing."""
    from tray_app.models.outdated import Freshness

    with open_workspace() as workspace:
        found = workspace.upkeep.outdated()
    if as_json:
        print_json(
            {
                "models": [
                    {
                        "id": each.id,
                        "freshness": each.freshness,
                        "source": each.source or None,
                        "why": str(each.why) or None,
                    }
                    for each in found
                ]
            }
        )
        return
    for each in found:
        match each.freshness:
            case Freshness.CURRENT:
                echo(f"{each.id}: up to date")
            case Freshness.NEWER:
                echo(f"{each.id}: the file has changed at {each.source}")
            case Freshness.UNKNOWN:
                echo(f"{each.id}: not checked. {each.why}")
    if any(each.freshness is Freshness.NEWER for each in found):
        echo(
            "To get the newer file, run: powerinfer-tray models remove ID, then powerinfer-tray "
            "download SOURCE"
        )
    elif not found:
        echo("There are no models to check.")


def space(*, as_json: Json = False) -> None:
    """Show the disk space of each model and of unfinished downloads, and when models were last used."""
    with open_workspace() as workspace:
        use, folder = workspace.upkeep.disk_use(), workspace.library.folder
    if as_json:
        print_json(_document(use))
        return
    from rich.filesize import decimal

    for each in use.models:
        echo(f"{each.id}: {decimal(each.held_bytes)}{_place(each)}, {_use(each)}")
    for partial in use.partials:
        echo(f"unfinished: {presentable(below(partial.final, folder))}, {decimal(partial.held_bytes)}")
    if use.unusable_bytes:
        echo(f"files that cannot be used: {decimal(use.unusable_bytes)}")
    echo(f"Total: {decimal(use.total_bytes)}. Free for models: {decimal(use.free_bytes)}")
    if unused := [each.id for each in use.models if each.unused and not each.app]:
        echo(f"To remove the unused models, run: powerinfer-tray models remove {' '.join(unused)}")


def _place(space: ModelSpace) -> str:
    return f" in {space.app}'s folder" if space.app else ""


def _use(space: ModelSpace) -> str:
    warning = " (unused for months)" if space.unused else ""
    if space.last_used_s is None:
        return f"never used, here since {_day(space.arrived_s)}{warning}"
    return f"last used on {_day(space.last_used_s)}{warning}"


def _day(time_s: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(time_s).astimezone().date().isoformat()


def _document(use: DiskUse) -> dict[str, Any]:
    return {
        "models": [
            {
                "id": each.id,
                "path": presentable(each.path),
                "held_bytes": each.held_bytes,
                "app": each.app or None,
                "last_used": None if each.last_used_s is None else _day(each.last_used_s),
                "arrived": _day(each.arrived_s),
                "unused": each.unused,
            }
            for each in use.models
        ],
        "partials": [
            {"path": presentable(each.path), "held_bytes": each.held_bytes} for each in use.partials
        ],
        "unusable_bytes": use.unusable_bytes,
        "total_bytes": use.total_bytes,
        "free_bytes": use.free_bytes,
    }
