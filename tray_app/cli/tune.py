"""The terminal command `tune`. Main thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from tray_app.cli.common import app_commands, do_long_work, pass_on_change, reference_for_app
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    echo,
    print_json,
    typed,
)

if TYPE_CHECKING:
    from tray_app.gateway.control.commands import EngineSpeed, SpeedSample, ThreadCounts, Tuned

_INTERRUPTED = 130
"""As shells count an end by Ctrl-C."""


def tune_threads(
    model: Annotated[
        str | None, typer.Option(help="A model file or the ID of a model. Default: the chosen model.")
    ] = None,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Save the best values in the settings.")] = False,
    as_json: Json = False,
) -> None:
    """Find the fastest engine and number of threads for a model. A running server is stopped meanwhile."""
    from tray_app.cli.progress import WorkBar, plain_console
    from tray_app.gateway.control.commands import Measuring

    wish = Measuring(reference_for_app(model) if model else "", apply)
    with app_commands() as app, WorkBar(plain_console(stderr=True), "Measuring") as bar:
        tuned = do_long_work(partial(app.tune, wish), lambda now: bar.show(now.done, now.total))
    app_has_it = tuned.applied and pass_on_change(app)
    if as_json:
        print_json(_document(tuned))
    else:
        _print_table(tuned, model)
        if app_has_it:
            echo("Applied to the running app.")
    if not tuned.complete:
        raise typer.Exit(1 if tuned.engines or tuned.samples else _INTERRUPTED)


def _print_table(tuned: Tuned, model: str | None) -> None:
    _print_engines(tuned)
    echo("threads  embeddings/s  tokens/s")
    for sample in tuned.samples:
        echo(f"{sample.threads:7}  {sample.embeddings_per_s:12.2f}  {_tokens(sample):>8}")
    if not tuned.complete:
        echo("Stopped before everything was measured.")
    elif _keeps(tuned):
        echo(f"Keep the current settings ({_words(tuned)}). Nothing is more than 5 % faster.")
    elif tuned.applied:
        echo(f"Set: {_words(tuned)}.")
    else:
        of_model = f" --model {typed(model)}" if model else ""
        echo(f"Best: {_words(tuned)}. To use it, run: powerinfer-tray tune{of_model} --apply")


def _print_engines(tuned: Tuned) -> None:
    if not tuned.engines:
        return
    names = {each.engine: f"{each.engine} {each.release}".strip() for each in tuned.engines}
    width = max(len("engine"), *map(len, names.values()))
    echo(f"{'engine':{width}}  embeddings/s  tokens/s  built-in = 1")
    for each in tuned.engines:
        if each.failure:
            echo(f"{names[each.engine]:{width}}  not measured: {each.failure}")
            continue
        times = "-" if each.times_built_in is None else f"{each.times_built_in:.2f}"
        numbers = f"{each.embeddings_per_s:12.2f}  {_tokens(each):>8}  {times:>12}"
        echo(f"{names[each.engine]:{width}}  {numbers}")
    echo()


def _tokens(measured: SpeedSample | EngineSpeed) -> str:
    return "-" if measured.tokens_per_s is None else f"{measured.tokens_per_s:.1f}"


def _keeps(tuned: Tuned) -> bool:
    return (tuned.best_engine, tuned.best) == (tuned.present_engine, tuned.present)


def _words(tuned: Tuned) -> str:
    """What is best, as in the settings; the engine only where there was a choice."""
    threads = f"threads = {tuned.best.generation}, threads_batch = {tuned.best.prompt}"
    return f"engine = {tuned.best_engine}, {threads}" if tuned.engines else threads


def _document(tuned: Tuned) -> dict[str, Any]:
    return {
        "complete": tuned.complete,
        "engines": [msgspec.to_builtins(each) for each in tuned.engines],
        "samples": [msgspec.to_builtins(sample) for sample in tuned.samples],
        "present": _settings(tuned.present_engine, tuned.present),
        "best": _settings(tuned.best_engine, tuned.best),
        "keep": _keeps(tuned),
        "applied": tuned.applied,
    }


def _settings(engine: str, threads: ThreadCounts) -> dict[str, Any]:
    return {"engine": engine, "threads": threads.generation, "threads_batch": threads.prompt}
