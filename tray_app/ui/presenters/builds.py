"""Engines that are installed or available: a row for each, and what can be done with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.engine.builds.wording import cost
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.phrases import presentable
from tray_app.ui.presenters.engine_names import build_title, engine_text
from tray_app.ui.presenters.engines import model_name
from tray_app.ui.presenters.formatting import error_lines, size_text
from tray_app.ui.presenters.tone import Tone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.app.engine_manager import EnginesOverview, InstalledEngine
    from tray_app.app.status import AppStatus
    from tray_app.engine.builds.build import InstalledBuild, PublishedBuild
    from tray_app.engine.builds.store import BrokenBuild
    from tray_app.engine.program import Engine
    from tray_app.phrases import Text, Translate
    from tray_app.system.host import Host

FREE_TERMS = "MIT"
"""A license that nobody has to accept before using the program."""
_TERMS_PAGES = {"NVIDIA": "https://docs.nvidia.com/cuda/eula/index.html"}
_FEW_DIGITS = 8


class EngineAction(StrEnum):
    """What can be done with an engine or its installation."""

    INSTALL = "install"
    UPDATE = "update"
    LATER = "later"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"
    """Continue an installation that has failed."""
    CLOSE = "close"
    """Forget an installation that has failed."""
    HIDE = "hide"
    """Do not mention an engine that has failed again."""
    ALLOW = "allow"
    PROVE = "prove"
    REVEAL = "reveal"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class BuildRow:
    """An engine that is installed or available."""

    id: str
    """The build's id; empty for an engine that needed no installation."""
    title: str
    state: str = ""
    tone: Tone = Tone.NEUTRAL
    graphics: bool = False
    """Whether it uses a graphics card."""
    details: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    origin: str = ""
    """Where it came from, with its digest; for one that is not installed, why another one is recommended."""
    path: Path | None = None
    actions: tuple[EngineAction, ...] = ()
    """The most likely ones: a button each."""
    more: tuple[EngineAction, ...] = ()
    """All others: entries of a menu."""
    successor_id: str = ""
    """The published build that `UPDATE` and `INSTALL` install in its place."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person has to accept before a build is downloaded."""

    build_id: str
    title: str
    files: tuple[str, ...]
    owner: str
    page: str
    """The address of the terms; empty if it is not known."""


def action_label(action: EngineAction, tr: Translate) -> str:
    """The label of its button or entry."""
    return {
        EngineAction.INSTALL: tr("Install"),
        EngineAction.UPDATE: tr("Update"),
        EngineAction.LATER: tr("Not Now"),
        EngineAction.PAUSE: tr("Pause"),
        EngineAction.RESUME: tr("Resume"),
        EngineAction.CANCEL: tr("Cancel"),
        EngineAction.RETRY: tr("Try Again"),
        EngineAction.CLOSE: tr("Close"),
        EngineAction.HIDE: tr("Close"),
        EngineAction.ALLOW: tr("Try Again"),
        EngineAction.PROVE: tr("Test Again"),
        EngineAction.REVEAL: tr("Show in Folder"),
        EngineAction.REMOVE: tr("Remove…"),
    }[action]


def action_name(label: str, title: str, tr: Translate) -> str:
    """The accessible name of a button: its label and the engine, as several rows have the same button."""
    return tr("{action}: {engine}").format(action=label.rstrip("…"), engine=title)


def build_rows(
    overview: EnginesOverview, host: Host, status: AppStatus, tr: Translate
) -> tuple[BuildRow, ...]:
    """All engines on this computer: first the installed ones, then those that needed no installation."""
    installed = (_build_row(each, overview, status, tr) for each in overview.installed)
    broken = (_broken_row(each, overview, tr) for each in overview.broken)
    return (*installed, *broken, *(_engine_row(engine, host, status, tr) for engine in overview.at_hand))


def offer_rows(overview: EnginesOverview, tr: Translate) -> tuple[BuildRow, ...]:
    """The builds for this system that are neither installed nor recommended, each with the reason."""
    reasons: dict[str, Text] = {build.id: reason for build, reason in overview.advice.others}
    known = {build.id: build for build in (*(build for build, _ in overview.advice.others), *overview.offers)}
    without = installed_ids(overview)
    if overview.advice.build:
        without.add(overview.advice.build.id)
    return tuple(
        BuildRow(
            build.id,
            build_title(build, tr),
            graphics=build.back_end.uses_card,
            details=(tr.said(cost(build)),),
            origin=tr.said(reasons.get(build.id, "")),
            actions=(EngineAction.INSTALL,),
            successor_id=build.id,
        )
        for build in known.values()
        if build.id not in without
    )


def terms_of(build: PublishedBuild, tr: Translate) -> Terms | None:
    """What has to be accepted before a build is downloaded; None if nothing has to."""
    owner = next((each.terms for each in build.files if each.terms != FREE_TERMS), "")
    if not owner:
        return None
    files = tuple(
        tr("{file}: {size}, license: {terms}").format(
            file=each.name, size=size_text(each.size_bytes, tr), terms=each.terms
        )
        for each in build.files
    )
    return Terms(build.id, build_title(build, tr), files, owner, _TERMS_PAGES.get(owner, ""))


def removal_text(row: BuildRow, overview: EnginesOverview, tr: Translate) -> str:
    """What the removal of an engine means."""
    sizes = {each.build.id: each.size_bytes for each in overview.installed}
    sizes |= {each.id: each.size_bytes for each in overview.broken}
    return tr("This frees {size} of disk space.").format(size=size_text(sizes[row.id], tr))


def installed_ids(overview: EnginesOverview) -> set[str]:
    """The ids of the builds that are on this computer, whole or damaged."""
    return {each.build.id for each in overview.installed} | {each.id for each in overview.broken}


def _build_row(
    each: InstalledEngine, overview: EnginesOverview, status: AppStatus, tr: Translate
) -> BuildRow:
    build = each.build
    successor = _successor(build, overview)
    works = [kind for kind, verdict in build.verdicts.items() if verdict.works]
    actions: list[EngineAction] = []
    more = [EngineAction.PROVE, EngineAction.REVEAL, EngineAction.REMOVE]
    warnings = [*_set_aside_lines(each, status, tr), *_failed_proofs(build, tr)]
    if each.changed:
        tone, state = Tone.WARNING, tr("Changed")
        warnings.insert(
            0,
            tr(
                "Its files have changed since it was installed, so the app does not run it. Install it again."
            ),
        )
        if any(offer.id == build.id for offer in overview.offers):
            actions.append(EngineAction.INSTALL)
            successor = build.id
    elif each.set_aside:
        tone, state = Tone.WARNING, tr("Not used")
        actions.append(EngineAction.ALLOW)
    elif not works:
        tone, state = Tone.BAD, tr("Does not work here")
        actions.append(EngineAction.PROVE)
        more.remove(EngineAction.PROVE)
    elif each.in_use_by:
        tone, state = Tone.GOOD, tr("In use by {models}").format(models=_names(each.in_use_by, status, tr))
    else:
        tone, state = Tone.NEUTRAL, tr("Ready")
    if successor and not each.changed:
        actions.append(EngineAction.UPDATE)
    return BuildRow(
        build.id,
        build_title(build, tr, overview.offers),
        state,
        tone,
        graphics=build.back_end.uses_card,
        details=tuple(_details(each, tr)),
        warnings=tuple(warnings),
        origin=_origin(build, tr),
        path=build.program,
        actions=tuple(actions),
        more=tuple(more),
        successor_id=successor,
    )


def _details(each: InstalledEngine, tr: Translate) -> Iterator[str]:
    build = each.build
    cards = ", ".join(device.name for device in build.devices)
    yield cards or (tr("no graphics card found") if build.back_end.uses_card else tr("processor"))
    if works := [str(kind) for kind, verdict in build.verdicts.items() if verdict.works]:
        yield tr("tested with {kinds}").format(kinds=", ".join(works))
    if build.speed is not None:
        yield tr("{factor} times as fast as the built-in engine").format(factor=tr.number(build.speed, 1))
    yield size_text(each.size_bytes, tr)


def _failed_proofs(build: InstalledBuild, tr: Translate) -> Iterator[str]:
    for kind, verdict in build.verdicts.items():
        if not verdict.works:
            yield tr("Not used for {kind}: {reason}").format(
                kind=kind, reason=tr.said(verdict.reason) or tr("unknown cause")
            )


def _set_aside_lines(each: InstalledEngine, status: AppStatus, tr: Translate) -> list[str]:
    return [
        tr("Not used for {model}: {reason}").format(
            model=_names((aside.model_id,), status, tr), reason=tr.said(aside.reason)
        )
        for aside in each.set_aside
    ]


def _names(models: tuple[str, ...], status: AppStatus, tr: Translate) -> str:
    """The names of models, or their ids where the status does not know the names."""
    known = {each.model_id: model_name(each, status, tr) for each in status.pool.engines}
    return ", ".join(known.get(model, model) for model in models)


def _origin(build: InstalledBuild, tr: Translate) -> str:
    """Where a build came from; for one from a person's own file, with its digest."""
    if build.is_published:  # so its digest was checked against the list of builds
        return tr("from {place}").format(place=urlsplit(build.source).hostname or build.source)
    text = tr("from {place}").format(place=presentable(Path(build.source).name))
    return f"{text} · SHA-256 {build.sha256[:_FEW_DIGITS]}…" if build.sha256 else text


def _successor(build: InstalledBuild, overview: EnginesOverview) -> str:
    """The published build that an update brings; empty if there is none."""
    if not build.is_published or not build.id.startswith(build.release):
        return ""
    variant = build.id.removeprefix(build.release)
    for offer in overview.offers:
        if offer.release != build.release and offer.id == f"{offer.release}{variant}":
            return "" if offer.id in installed_ids(overview) else offer.id
    return ""


def _broken_row(broken: BrokenBuild, overview: EnginesOverview, tr: Translate) -> BuildRow:
    """The row of a damaged build, of which nothing certain is known."""
    offer = next((each for each in overview.offers if each.id == broken.id), None)
    return BuildRow(
        broken.id,
        build_title(offer, tr) if offer else broken.id,
        tr("Damaged"),
        Tone.BAD,
        graphics=offer is not None and offer.back_end.uses_card,
        details=(size_text(broken.size_bytes, tr),),
        warnings=(" ".join(error_lines(broken.error, tr)[:2]),),
        actions=(EngineAction.INSTALL,) if offer else (EngineAction.REMOVE,),
        more=(EngineAction.REMOVE,) if offer else (),
        successor_id=broken.id if offer else "",
    )


def _engine_row(engine: Engine, host: Host, status: AppStatus, tr: Translate) -> BuildRow:
    users = ", ".join(
        model_name(each, status, tr)
        for each in status.pool.engines
        if each.engine.pid
        and isinstance(plan := each.engine.plan, LaunchPlan)
        and (plan.engine.kind, plan.engine.command) == (engine.kind, engine.command)
    )
    comes_along = engine.kind is EngineKind.LLAMA_CPP
    on_card = bool(engine.devices)
    if host.apple_silicon and engine.kind is not EngineKind.POWERINFER:
        on_card = True
        device = tr("Apple silicon graphics")
    else:
        device = ", ".join(card.name for card in engine.devices or ()) or tr("processor")
    return BuildRow(
        "",
        engine_text(engine, tr),
        tr("In use by {models}").format(models=users) if users else tr("Ready"),
        Tone.GOOD if users else Tone.NEUTRAL,
        graphics=on_card,
        details=(
            device,
            tr("comes with the app") if comes_along else tr("found on this computer"),
        ),
        path=None if comes_along else Path(engine.command[0]),
        more=() if comes_along else (EngineAction.REVEAL,),
    )
