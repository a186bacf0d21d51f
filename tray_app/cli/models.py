"""The terminal commands for models: list, info, recommend, import, verify, remove. Main thread.

Those of `upkeep` and `discover` are added to them here.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from tray_app.cli.common import (
    CommandGroup,
    TakesTexts,
    app_commands,
    open_workspace,
    person_language,
    typed_language,
)
from tray_app.cli.discover import models_files, models_search
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    echo,
    print_json,
)
from tray_app.cli.upkeep import adopt, outdated, space
from tray_app.errors import ErrorDocument, ModelError
from tray_app.models.import_modes import How
from tray_app.phrases import Translate, presentable

if TYPE_CHECKING:
    from tray_app.engine.report import ModelReport
    from tray_app.errors import AppError
    from tray_app.gateway.control.commands import Removed
    from tray_app.models.library import Library
    from tray_app.models.model import Model

models_commands = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="List, download and manage models."
)


@models_commands.command("list")
def models_list(*, as_json: Json = False) -> None:
    """List installed models, unfinished downloads, unusable files and the models in the catalog."""
    from rich.filesize import decimal

    with open_workspace() as workspace:
        contents, folder = workspace.library.contents(), workspace.library.folder
        present = {model.id for model in contents.models}
        offers = [entry for entry in workspace.library.catalog if entry.id not in present]
    if as_json:
        print_json(
            {
                "models": [_summary(model) for model in contents.models],
                "partials": [
                    {"path": presentable(partial.path), "held_bytes": partial.held_bytes}
                    for partial in contents.partials
                ],
                "unusable": [
                    {
                        "id": each.id,
                        "path": presentable(each.path),
                        "size_bytes": each.size_bytes,
                        "arriving": each.arriving,
                        "problem": _problem(each.error),
                    }
                    for each in contents.unusable
                ],
                "catalog": [
                    {
                        "id": entry.id,
                        "name": entry.name,
                        "source": entry.source,
                        "license": entry.license,
                        "purpose": entry.purpose,
                        "languages": entry.languages,
                        "download_bytes": entry.download_bytes,
                        "pictures": entry.sees,
                    }
                    for entry in offers
                ],
            }
        )
        return
    for model in contents.models:
        echo(
            f"{model.id}: {model.name}, {model.header.purpose}, "
            f"{model.header.kind} {model.header.quantization}, "
            f"{model.size_bytes:,} bytes{', sees pictures' if model.sees else ''}"
            f"{f', of {model.app}' if model.app else ''}"
        )
    for partial in contents.partials:
        echo(f"unfinished: {presentable(_below(partial.final, folder))}, {partial.held_bytes:,} bytes")
    for each in contents.unusable:
        why = "is being copied" if each.arriving else f"{each.error.title}. {each.error.message}"
        echo(f"cannot be used: {presentable(_below(each.path, folder))}: {why}")
    for entry in offers:
        size = f", {decimal(entry.download_bytes)}" if entry.size_bytes else ""  # people's own may not know
        echo(f"available: {entry.id}: {entry.name}{size}. {entry.note}")


@models_commands.command("info", cls=TakesTexts)
def models_info(
    reference: Annotated[str, typer.Argument(help="An ID, a file, a URL or hf:owner/repo/file.")],
    *,
    as_json: Json = False,
) -> None:
    """Show what a model is, which engine runs it and whether it fits, even before it is downloaded."""
    from tray_app.models.fit_text import fit_line
    from tray_app.settings.value_text import value_text

    with open_workspace() as workspace:
        report = workspace.models.report(reference)
        own = dict(workspace.store.current.models.get(report.model.id, {}))
    known = {name: value for name, value in report.model.defaults.items() if name not in own}
    document = _document(report) | {"settings": own, "from_catalog": known}
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        if value is not None and not isinstance(value, dict):
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else value
            echo(f"{name.replace('_', ' ')}: {shown}")
    for name, value in own.items():
        echo(f"its own {name}: {value_text(value)}")
    for name, value in known.items():
        echo(f"{name} from the catalog: {msgspec.json.encode(value).decode()}")
    echo(f"memory: {fit_line(report.verdict, Translate())}")
    echo(
        f"context size: {report.verdict.context_size} tokens for each of "
        f"{report.verdict.slots} simultaneous requests"
    )
    if report.obstacle:
        echo(f"{report.obstacle.title}\n{report.obstacle.hint}")


@models_commands.command("recommend")
def models_recommend(
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Your language, such as fr or ja. Default: the language in the settings."
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Recommend an embedding model and a chat model for this computer and your language."""
    from rich.filesize import decimal

    from tray_app.models.fit_text import fit_line

    with open_workspace() as workspace:
        spoken = person_language(workspace.store.current) if language is None else typed_language(language)
        found = workspace.models.recommended([spoken])
    if as_json:
        recommended = [
            {
                "id": each.entry.id,
                "name": each.entry.name,
                "purpose": each.entry.purpose,
                "source": each.entry.source,
                "license": each.entry.license,
                "languages": each.entry.languages,
                "download_bytes": each.entry.download_bytes,
                "reason": str(each.reason),
                "fit": each.verdict.fit,
            }
            for each in found
        ]
        print_json({"language": spoken, "recommended": recommended})
        return
    for each in found:
        entry = each.entry
        echo(f"{entry.id}: {entry.name}, {entry.purpose}, {decimal(entry.download_bytes)}, {entry.license}")
        echo(f"  {each.reason} {entry.note}")
        echo(f"  {fit_line(each.verdict, Translate())}")
    echo(
        "To download one, run: powerinfer-tray download ID"
        if found
        else "No model in the catalog runs on this computer."
    )


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
        print_json({**_summary(model), "files": [presentable(each) for each in imported]})
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
        bool, typer.Option(help="Delete it permanently instead of moving it to the trash.")
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
            (presentable(_below(each.path, library.folder)), str(each.path))
            for each in contents.unusable
            if not each.arriving
        ),
    ]


def _below(path: Path, folder: Path) -> Path:
    """A file's name with its sub-folders of the models folder."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _summary(model: Model) -> dict[str, Any]:
    header = model.header
    return {
        "id": model.id,
        "name": model.name,
        "path": presentable(model.path),
        "size_bytes": model.size_bytes,
        "kind": header.kind,
        "purpose": header.purpose,
        "architecture": header.architecture,
        "quantization": header.quantization,
        "projector": presentable(model.projector.path) if model.projector else None,
        "pictures": model.sees,
        "app": model.app or None,
    }


def _document(report: ModelReport) -> dict[str, Any]:
    """A report as JSON has it."""
    from tray_app.engine.ineffective_settings import ONE_THREAD
    from tray_app.models.fit_text import fit_line

    header, verdict, entry = report.model.header, report.verdict, report.model.entry
    return {
        **_summary(report.model),
        "license": (entry.license or None) if entry else None,
        "languages": (entry.languages or None) if entry else None,
        "vector_sizes": (entry.vector_sizes or None) if entry else None,
        "parameters": header.parameters,
        "context_length": header.context_length,
        "embedding_length": header.embedding_length,
        "layers": header.block_count,
        "heads": header.heads.query if header.heads else None,
        "experts": header.expert_count,
        "tokenizer": header.tokenizer,
        "vocabulary_size": header.vocabulary_size,
        "chat_template": header.chat_template is not None,
        "engine": report.kind,
        "engine_problem": _problem(report.obstacle),
        "one_thread": ONE_THREAD if header.sparse else None,
        "verdict": {
            "fit": verdict.fit,
            "text": fit_line(verdict, Translate()),
            "context_size": verdict.context_size,
            "slots": verdict.slots,
            "better_context": verdict.better_context,
            "needed_bytes": verdict.estimate.total_bytes,
            "weights_bytes": verdict.estimate.weights_bytes,
            "cache_bytes": verdict.estimate.cache_bytes,
            "compute_bytes": verdict.estimate.compute_bytes,
            "output_bytes": verdict.estimate.output_bytes,
            "kept_bytes": verdict.estimate.kept_bytes,
            "usable_bytes": verdict.budget.usable_bytes,
        },
    }


def _problem(error: AppError | None) -> Any:
    return msgspec.to_builtins(ErrorDocument.of(error)) if error else None
