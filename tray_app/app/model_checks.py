"""Checks the models that a start of the server depends on: the chosen one, the default ones, their aliases.

Any thread; looks for engines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.app.computer_checks import space_of
from tray_app.app.diagnostic_findings import ModelFinding
from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.engine_setting import engine_setting, is_remote
from tray_app.engine.launch_plan import plan_launch, plan_remote
from tray_app.engine.report import foreseen, look_for_engine, report_on
from tray_app.errors import AppError, DownloadError, EngineError, ErrorCode, Fix, ModelError, SettingsError
from tray_app.models.file_errors import none_chosen
from tray_app.models.fit_text import fit_line, memory_reason
from tray_app.models.memory import Fit
from tray_app.models.references import NotInstalledError
from tray_app.phrases import Translate, joined, phrase, presentable
from tray_app.settings.fields import MODEL_REFERENCES
from tray_app.settings.model_settings import aliases_of, effective
from tray_app.system.disk import not_enough_space

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.app.diagnostic_inputs import DiagnosticInputs, Notes
    from tray_app.models.model import Model


def check_model(inputs: DiagnosticInputs, notes: Notes) -> None:
    """The chosen model, or the lack of one, and the engine that would run it; `notes` has both afterwards."""
    settings = inputs.settings
    try:
        if is_remote(settings):
            notes.engine = plan_remote(settings, "").engine
        elif settings.model:
            _check_file(inputs, inputs.library.find(settings.model), notes)
        else:
            notes.add(none_chosen(), stops=False)
            _check_engine(inputs)
    except NotInstalledError as exc:
        _check_download(inputs, exc, notes)
    except AppError as exc:
        notes.add(exc, stops=True)


def _check_engine(inputs: DiagnosticInputs) -> None:
    """`EngineError` if the engine of the settings cannot run the built-in model, while no other is chosen."""
    header = inputs.library.find(str(inputs.library.builtin)).header
    choice = look_for_engine(inputs.settings, inputs.finder, ModelNeeds.of(header))
    if choice.obstacle:
        raise choice.obstacle


def _check_file(inputs: DiagnosticInputs, model: Model, notes: Notes) -> None:
    settings, host = model.settings_in(inputs.settings), inputs.host
    notes.settings, notes.sparse = settings, model.header.sparse
    model = inputs.library.with_projector(model, settings.projector)
    choice = look_for_engine(settings, inputs.finder, ModelNeeds.of(model.header, model.id))
    found = report_on(model, settings, choice, host)
    notes.model, notes.engine = (
        ModelFinding(model.id, presentable(model.path), fit_line(found.verdict, Translate())),
        found.engine,
    )
    if found.obstacle:
        raise found.obstacle
    if found.engine:
        plan_launch(settings, model, found.engine, host)
    if found.verdict.fit is Fit.TOO_LARGE:
        notes.add(
            ModelError(
                ErrorCode.MODEL_TOO_LARGE,
                f"{model.name} may be too large for this computer",
                memory_reason(found.verdict, Translate()),
                "Reduce the context size, or choose a smaller model.",
            ),
            stops=False,
        )


def _check_download(inputs: DiagnosticInputs, missing: NotInstalledError, notes: Notes) -> None:
    entry = missing.entry
    settings = effective(inputs.settings, entry.id, entry.defaults)
    notes.settings, notes.sparse = settings, entry.sparse
    notes.model = ModelFinding(entry.id, None, None)
    notes.add(missing, stops=False)
    try:
        needs = ModelNeeds.of(foreseen(entry).header, entry.id)
        notes.engine = choose_engine(engine_setting(settings.engine), needs, inputs.finder)
    except EngineError as exc:
        notes.add(exc, stops=True)
    space = space_of(inputs.library.folder)
    if space is not None and space.usable_bytes < entry.download_bytes:
        hint = "Free some space, or choose another models folder in the settings."
        notes.add(
            not_enough_space(DownloadError, space, inputs.library.folder, entry.download_bytes, hint),
            stops=True,
        )


def check_defaults(inputs: DiagnosticInputs, notes: Notes) -> None:
    """Whether there are the models that answer requests which name none."""
    settings = inputs.settings
    if is_remote(settings):
        return
    for name in MODEL_REFERENCES:
        reference = getattr(settings, name)
        if not reference or reference == settings.model:
            continue
        try:
            inputs.library.find(reference)
        except ModelError as exc:
            title = phrase("The setting {name}: {title}", name=name, title=exc.texts[0])
            _, message, hint = exc.texts
            error = ModelError(exc.code, title, message, hint, fix=Fix.SETTING, setting=name)
            notes.add(error, stops=False)


def check_aliases(inputs: DiagnosticInputs, notes: Notes) -> None:
    """Whether each alias means the model whose it is."""
    if hidden := inputs.library.hidden_aliases(aliases_of(inputs.settings)):
        notes.add(_hidden(hidden.values()), stops=False)


def _hidden(errors: Iterable[SettingsError]) -> SettingsError:
    """The error about all aliases that mean another model than their own."""
    first, *others = errors
    if not others:
        return first
    return SettingsError(
        first.code,
        "Some aliases mean a different model",
        joined(
            "\n", [phrase("{title}: {reason}", title=e.texts[0], reason=e.texts[1]) for e in (first, *others)]
        ),
        first.texts[2],
    )
