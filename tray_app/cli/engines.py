"""The terminal commands for engines: list, install, remove, prove, allow. Main thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from tray_app.cli.common import CommandGroup, TakesTexts, app_commands, do_long_work
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    echo,
    print_json,
)
from tray_app.phrases import presentable
from tray_app.system.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.gateway.control.commands import Cancellation, EngineBuild, Tell

Wish = TypeVar("Wish", bound=msgspec.Struct)

engine_commands = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Install and manage engines that may be faster on this computer than the built-in one.",
)

EngineId = Annotated[str, typer.Argument(metavar="ID", help="The ID shown by “engines list”.")]


@engine_commands.command("list")
def engines_list(*, as_json: Json = False) -> None:
    """List the installed and available engines, and which one is best for this computer."""
    from tray_app.gateway.control.commands import ListingEngines

    with app_commands() as app:
        told = app.list_engines(ListingEngines())
    if as_json:
        print_json(
            {
                "installed": [_document(each) for each in told.installed],
                "broken": [msgspec.to_builtins(each) for each in told.broken],
                "unfinished": msgspec.to_builtins(told.unfinished),
                "offers": [msgspec.to_builtins(each) for each in told.offers],
                "advised": told.advised,
                "advice": told.advice,
            }
        )
        return
    for build in told.installed:
        _print_build(build)
    for broken in told.broken:
        echo(f"cannot be used: {broken.id}, {broken.size_bytes:,} bytes: {broken.problem}")
    if told.unfinished:
        now = told.unfinished
        trouble = f": {now.trouble}" if now.trouble else ""
        echo(f"unfinished: {now.id}, {now.phase}, {now.received_bytes:,} bytes downloaded{trouble}")
    for offer in told.offers:
        echo(
            f"available: {offer.id}: {offer.name}, "
            f"{offer.cost}.{(f' {offer.why_not}' if offer.why_not else '')}"
        )
    echo(told.advice)


@engine_commands.command("install", cls=TakesTexts)
def engines_install(
    engine: Annotated[
        str | None,
        typer.Argument(
            help="The ID of an available engine, an archive or a folder. Default: the best engine for "
            "this computer."
        ),
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the terms of all files it contains.")] = False,
    as_json: Json = False,
) -> None:
    """Download, unpack and test an engine. Ctrl-C pauses. Run the same command again to continue."""
    from tray_app.gateway.control.commands import InstallingEngine

    path = expanded(engine).absolute() if engine else None
    wish = InstallingEngine(engine or "", path if path and path.exists() else None, accepts_terms=yes)
    with app_commands() as app:
        _print_result(_follow(app.install_engine, wish), "Installed", as_json=as_json)


@engine_commands.command("remove", cls=TakesTexts)
def engines_remove(engine: EngineId, *, as_json: Json = False) -> None:
    """Remove an engine that no model is using, or an unfinished installation."""
    from tray_app.gateway.control.commands import RemovingEngine

    with app_commands() as app:
        removed = app.remove_engine(RemovingEngine(engine))
    if as_json:
        print_json({"removed": removed.id, "size_bytes": removed.size_bytes})
    else:
        echo(f"Removed {removed.id} ({removed.size_bytes:,} bytes)")


@engine_commands.command("prove", cls=TakesTexts)
def engines_prove(engine: EngineId, *, as_json: Json = False) -> None:
    """Test an installed engine again, for example after updating the graphics driver."""
    from tray_app.gateway.control.commands import ProvingEngine

    with app_commands() as app:
        _print_result(_follow(app.prove_engine, ProvingEngine(engine)), "Tested", as_json=as_json)


@engine_commands.command("allow", cls=TakesTexts)
def engines_allow(
    engine: EngineId,
    model: Annotated[
        str | None, typer.Option(metavar="ID", help="Only for this model. Default: all models.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Use an engine again for models with which it failed."""
    from tray_app.gateway.control.commands import AllowingEngine

    with app_commands() as app:
        allowed = app.allow_engine(AllowingEngine(engine, model))
    if as_json:
        print_json({"engine": allowed.id, "models": allowed.models})
    elif allowed.models:
        echo(f"{allowed.id} will be used again for {', '.join(map(presentable, allowed.models))}")
    else:
        echo(f"{allowed.id} was not disabled for any such model")


def _follow(work: Callable[[Wish, Tell, Cancellation], EngineBuild], wish: Wish) -> EngineBuild:
    """Have an engine installed or proven, and show how far it is."""
    from tray_app.cli.progress import InstallationView, plain_console

    with InstallationView(plain_console(stderr=True)) as view:
        return do_long_work(partial(work, wish), view.show_engine)


def _print_result(build: EngineBuild, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(build))
    else:
        echo(f"{done}:")
        _print_build(build)
        if build.sha256:
            echo(f"  SHA-256 {build.sha256}")


def _print_build(build: EngineBuild) -> None:
    echo(f"{build.id}: {build.name}, {build.size_bytes:,} bytes")
    for line in _lines(build):
        echo(f"  {line}")


def _lines(build: EngineBuild) -> Iterator[str]:
    """What is to be said of an installed engine, besides its name."""
    if build.changed:
        again = f"powerinfer-tray engines install {build.id}" if "://" in build.source else "from its file"
        yield (f"Its files have changed since it was installed, so it is not started. Reinstall it: {again}")
    if build.devices:
        yield f"runs on {', '.join(map(presentable, build.devices))}"
    if build.works_with:
        yield f"tested with {', '.join(build.works_with)}"
    for kind, reason in build.fails_with.items():
        yield f"gives wrong results with {kind}: {reason}"
    if build.speed is not None:
        yield f"{build.speed:.2f} times as fast as the built-in engine when tested"
    if build.in_use_by:
        yield f"is running {', '.join(map(presentable, build.in_use_by))}"
    for model, reason in build.set_aside.items():
        yield f"not used for {presentable(model)}: {reason}"
    if build.set_aside:
        yield f"To try again, run: powerinfer-tray engines allow {build.id}"


def _document(build: EngineBuild) -> dict[str, Any]:
    program = presentable(build.program)
    return {**msgspec.structs.asdict(build), "program": program, "source": presentable(build.source)}
