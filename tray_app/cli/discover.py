"""The terminal commands that find models which are not here yet: search, files. Main thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tray_app.cli.common import open_workspace
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    echo,
    print_json,
    print_table,
    problem_document,
)
from tray_app.phrases import Translate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.app.discovery import OfferedModel
    from tray_app.engine.report import ModelReport
    from tray_app.models.hub import HubFile, HubModel, HubQuantization

_BILLION = 1_000_000_000
_MOST_LANGUAGES = 4
"""So many fit into a line of a terminal."""


def models_search(
    words: Annotated[list[str], typer.Argument(help="Words to look for in repository names.")],
    *,
    as_json: Json = False,
) -> None:
    """Search for models on Hugging Face or the mirror in the settings, most downloaded first."""
    with open_workspace() as workspace:
        page = workspace.discovery.search(" ".join(words))
    if as_json:
        print_json(
            {"repositories": [_repository(each) for each in page.repositories], "more": bool(page.next)}
        )
        return
    if not page.repositories:
        echo("Nothing was found. Try fewer words. The repository's name must contain all of them.")
        return
    tr = Translate()
    print_table(
        ("repository", "downloads", "likes", "changed", "weights", "languages", "license"),
        [
            (
                each.repository,
                "" if each.downloads is None else tr.number(each.downloads),
                "" if each.likes is None else tr.number(each.likes),
                each.modified,
                _weights(each.parameters),
                _some(each.languages),
                each.license + (" (requires accepting terms)" if each.gated else ""),
            )
            for each in page.repositories
        ],
        right=("downloads", "likes", "weights"),
    )
    if page.next:
        echo("There are more results. Add words to narrow the search.")
    echo("To see which files fit this computer, run: powerinfer-tray models files OWNER/REPOSITORY")


def models_files(
    repository: Annotated[
        str, typer.Argument(help="owner/repository, hf:owner/repository@revision, or the URL of its page.")
    ],
    *,
    as_json: Json = False,
) -> None:
    """List the models in a repository, whether they fit this computer, and which one is best."""
    with open_workspace() as workspace:
        report = workspace.discovery.examine(repository)
    files = report.files
    if as_json:
        print_json(
            {
                "repository": files.repository.name,
                "revision": files.repository.revision,
                "complete": files.complete,
                "models": [_offered(each) for each in report.models],
                "projectors": [_file(each) for each in files.projectors],
            }
        )
        return
    rows = [row for model in report.models for row in _rows(model)]
    if not rows:
        echo(f"There is no GGUF model in {files.repository.name}.")
    else:
        print_table(("quantization", "bytes", "fits", "best", "file"), rows, right=("bytes",))
    for model in report.models:
        if model.problem:
            echo(f"It is not known whether it fits. {model.problem}")
        elif model.best:
            echo(f"best: {model.best.quantization.path}. {model.best.reason}")
            obstacle = model.reports[0].obstacle
            if obstacle:
                echo(f"{obstacle.title}\n{obstacle.hint}")
        elif model.reports:
            echo("None of them fits in this computer's memory.")
    for projector in files.projectors:
        echo(f"projector: {projector.path}, {projector.size_bytes:,} bytes")
    if not files.complete:
        echo("The repository has more files than can be shown.")


def _repository(each: HubModel) -> Any:
    return {
        "repository": each.repository,
        "downloads": each.downloads,
        "likes": each.likes,
        "modified": each.modified or None,
        "gated": each.gated,
        "license": each.license or None,
        "languages": each.languages,
        "task": each.task or None,
        "architecture": each.architecture or None,
        "parameters": each.parameters,
        "context_length": each.context_length,
    }


def _weights(parameters: int | None) -> str:
    """As people call the size of a model: `7.6 B`, `568 M`."""
    if not parameters:
        return ""
    return f"{parameters / 1e9:.1f} B" if parameters >= _BILLION else f"{parameters / 1e6:.0f} M"


def _some(languages: tuple[str, ...]) -> str:
    more = len(languages) - _MOST_LANGUAGES
    return " ".join(languages[:_MOST_LANGUAGES]) + (f" +{more}" if more > 0 else "")


def _judged(model: OfferedModel) -> Iterator[tuple[HubQuantization, ModelReport | None]]:
    reports = model.reports or (None,) * len(model.quantizations)
    yield from zip(model.quantizations, reports, strict=True)


def _rows(model: OfferedModel) -> Iterator[tuple[str, str, str, str, str]]:
    for each, report in _judged(model):
        yield (
            each.label,
            f"{each.size_bytes:,}",
            str(report.verdict.fit) if report else "?",
            "best" if _is_best(model, each) else "",
            each.path,
        )


def _offered(model: OfferedModel) -> Any:
    return {
        "quantizations": [
            {
                "quantization": each.label or None,
                "size_bytes": each.size_bytes,
                "fit": report.verdict.fit if report else None,
                "needed_bytes": report.verdict.estimate.total_bytes if report else None,
                "best": _is_best(model, each),
                "files": [_file(file) for file in each.files],
            }
            for each, report in _judged(model)
        ],
        "best": model.best.quantization.path if model.best else None,
        "reason": str(model.best.reason) if model.best else None,
        "engine": model.reports[0].kind if model.reports else None,
        "problem": problem_document(model.problem),
    }


def _is_best(model: OfferedModel, each: HubQuantization) -> bool:
    return model.best is not None and model.best.quantization == each


def _file(file: HubFile) -> Any:
    return {"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}
