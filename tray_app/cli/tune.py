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
)

if TYPE_CHECKING:
    from tray_app.gateway.commands import ThreadCounts, Tuned

_INTERRUPTED = 130
"""As shells count an end by Ctrl-C."""


def tune_threads(
    model: Annotated[
        str | None, typer.Option(help="A model file, or a catalogue id; else the chosen one.")
    ] = None,
    *,
    apply: Annotated[bool, typer.Option(help="Keep the best in the settings.")] = False,
    as_json: Json = False,
) -> None:
    """Measure with how many threads the model is fastest. A running server is stopped meanwhile."""
    from tray_app.cli.progress import WorkBar, plain_console
    from tray_app.gateway.commands import Measuring

    wish = Measuring(reference_for_app(model) if model else "", apply)
    with app_commands() as app, WorkBar(plain_console(stderr=True), "Measuring") as bar:
        tuned = do_long_work(partial(app.tune, wish), lambda now: bar.show(now.done, now.total))
    app_has_it = tuned.applied and pass_on_change(app)
    if as_json:
        print_json(_document(tuned))
    else:
        _print_table(tuned)
        if app_has_it:
            echo("Applied to the running app.")
    if not tuned.complete:
        raise typer.Exit(1 if tuned.samples else _INTERRUPTED)


def _print_table(tuned: Tuned) -> None:
    echo("threads  embeddings/s  tokens/s")
    for sample in tuned.samples:
        tokens = "-" if sample.tokens_per_s is None else f"{sample.tokens_per_s:.1f}"
        echo(f"{sample.threads:7}  {sample.embeddings_per_s:12.2f}  {tokens:>8}")
    if not tuned.complete:
        echo("Stopped before all were measured.")
    elif tuned.best == tuned.present:
        echo(f"Keep what is set ({_words(tuned.best)}): nothing is faster by more than 5 %.")
    elif tuned.applied:
        echo(f"Set: {_words(tuned.best)}.")
    else:
        echo(f"Best: {_words(tuned.best)}. To set it: powerinfer-tray tune --apply")


def _words(threads: ThreadCounts) -> str:
    return f"threads = {threads.generation}, threads_batch = {threads.prompt}"


def _document(tuned: Tuned) -> dict[str, Any]:
    return {
        "complete": tuned.complete,
        "samples": [msgspec.to_builtins(sample) for sample in tuned.samples],
        "present": _settings(tuned.present),
        "best": _settings(tuned.best),
        "keep": tuned.best == tuned.present,
        "applied": tuned.applied,
    }


def _settings(threads: ThreadCounts) -> dict[str, int]:
    return {"threads": threads.generation, "threads_batch": threads.prompt}
