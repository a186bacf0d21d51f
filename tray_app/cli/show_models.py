"""The terminal commands that show models: list, info, recommend. Main thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from tray_app.cli.common import open_workspace, person_language, typed_language
from tray_app.cli.output import (
    Json,  # noqa: TC001 - typer reads it at run time
    below,
    echo,
    print_json,
    problem_document,
)
from tray_app.phrases import Translate, presentable

if TYPE_CHECKING:
    from tray_app.engine.report import ModelReport
    from tray_app.models.model import Model


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
                "models": [summary(model) for model in contents.models],
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
                        "problem": problem_document(each.error),
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
            f"{'sparse ' if model.header.sparse else ''}{model.header.quantization}, "
            f"{model.size_bytes:,} bytes{', sees pictures' if model.sees else ''}"
            f"{f', of {model.app}' if model.app else ''}"
        )
    for partial in contents.partials:
        echo(f"unfinished: {presentable(below(partial.final, folder))}, {partial.held_bytes:,} bytes")
    for each in contents.unusable:
        why = "is being copied" if each.arriving else f"{each.error.title}. {each.error.message}"
        echo(f"cannot be used: {presentable(below(each.path, folder))}: {why}")
    for entry in offers:
        size = f", {decimal(entry.download_bytes)}" if entry.size_bytes else ""  # people's own may not know
        echo(f"available: {entry.id}: {entry.name}{size}. {entry.note}")


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
    for name, value in (document | {"kind": "sparse" if report.model.header.sparse else "regular"}).items():
        if value is not None and not isinstance(value, dict):
            echo(f"{name.replace('_', ' ')}: {_in_words(value)}")
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
        echo(f"  Memory: {fit_line(each.verdict, Translate())}")
    echo(
        "To download one, run: powerinfer-tray download ID"
        if found
        else "No model in the catalog runs on this computer."
    )


def _in_words(value: object) -> str:
    """A value of the document as people read it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(map(str, value))
    return str(value)


def summary(model: Model) -> dict[str, Any]:
    """A model as JSON has it, in short."""
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
        **summary(report.model),
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
        "engine_problem": problem_document(report.obstacle),
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
