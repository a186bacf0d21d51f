"""The terminal command `quantize`. Main thread."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it at run time
from typing import Annotated

import typer

from tray_app.cli.common import open_workspace
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    echo,
    print_json,
)
from tray_app.phrases import presentable


def quantize(
    source: Annotated[str, typer.Argument(metavar="IN", help="An ID, a file or a path, in F16 or F32.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    type_name: Annotated[
        str, typer.Argument(metavar="TYPE", help="Such as Q4_0. An unknown type lists all of them.")
    ],
    *,
    as_json: Json = False,
) -> None:
    """Make a smaller model by quantizing it with the engine's own program."""
    from tray_app.cli.progress import WorkBar, plain_console

    with (
        open_workspace() as workspace,
        WorkBar(plain_console(stderr=True), f"Quantizing to {presentable(target.name)}") as bar,
    ):
        path = workspace.models.quantize(source, target, type_name, bar.show)
        size_bytes = path.stat().st_size
    if as_json:
        print_json({"path": presentable(path), "bytes": size_bytes})
    else:
        echo(f"Saved {presentable(path)} ({size_bytes:,} bytes)")
