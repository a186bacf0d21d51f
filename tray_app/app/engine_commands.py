"""What terminal commands ask about engines, done on a workspace. Any thread.

`command_service.py` has the other commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.engine.builds.installation import InstallPhase
from tray_app.engine.builds.wording import build_name, cost
from tray_app.errors import AppError, DownloadError, EngineError, ErrorCode
from tray_app.gateway.control.commands import (
    BrokenEngine,
    EngineAllowed,
    EngineArriving,
    EngineBuild,
    EngineList,
    EngineOffer,
    EngineRemoved,
)
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.app.engine_manager import EngineManager, InstalledEngine
    from tray_app.engine.builds.build import InstalledBuild, PublishedBuild
    from tray_app.engine.builds.installation import Installation
    from tray_app.gateway.control.commands import (
        AllowingEngine,
        Cancellation,
        InstallingEngine,
        ProvingEngine,
        RemovingEngine,
        Tell,
    )


def list_engines(engines: EngineManager) -> EngineList:
    """See `AppCommands`."""
    overview, shown = engines.overview(), engines.installation()
    advised, against = overview.advice.build, dict(overview.advice.others)
    return EngineList(
        installed=tuple(map(_installed, overview.installed)),
        broken=tuple(
            BrokenEngine(each.id, each.size_bytes, f"{each.error.title}. {each.error.message}")
            for each in overview.broken
        ),
        offers=tuple(_offer(each, str(against.get(each, ""))) for each in overview.offers),
        advised=advised.id if advised else None,
        advice=str(overview.advice.sentence),
        unfinished=_arriving(shown) if shown and shown.phase is not InstallPhase.DONE else None,
    )


def install(
    engines: EngineManager, wish: InstallingEngine, tell: Tell, cancelled: Cancellation
) -> EngineBuild:
    """See `AppCommands`."""
    if wish.path and wish.name not in {each.id for each in engines.offers()}:
        path = wish.path
        return _done(engines, lambda: engines.install_file(path), tell, cancelled)
    build = engines.offer(wish.name) if wish.name else _advised(engines)
    if build.terms_to_accept and not wish.accepts_terms:
        raise DownloadError(
            ErrorCode.TERMS_NOT_ACCEPTED,
            "You need to accept the publisher's terms first",
            phrase(
                "{name}: {cost}. It contains files under the terms of {owners}.",
                name=build_name(build),
                cost=cost(build),
                owners=", ".join(build.terms_to_accept),
            ),
            phrase("To accept them, run: powerinfer-tray engines install {id} --yes", id=build.id),
        )
    return _done(engines, lambda: engines.install(build.id), tell, cancelled)


def prove(engines: EngineManager, wish: ProvingEngine, tell: Tell, cancelled: Cancellation) -> EngineBuild:
    """See `AppCommands`."""
    return _done(engines, lambda: engines.prove(wish.id), tell, cancelled)


def remove(engines: EngineManager, wish: RemovingEngine) -> EngineRemoved:
    """See `AppCommands`."""
    return EngineRemoved(wish.id, engines.remove(wish.id))


def allow(engines: EngineManager, wish: AllowingEngine) -> EngineAllowed:
    """See `AppCommands`."""
    return EngineAllowed(wish.id, engines.allow_again(wish.id, wish.model))


def _advised(engines: EngineManager) -> PublishedBuild:
    advice = engines.advice()
    if advice.build:
        return advice.build
    raise EngineError(
        ErrorCode.ENGINE_NOT_ON_OFFER,
        "You already have the best engine for this computer",
        advice.sentence,
        "To install another one anyway, give its ID. To list the engines, run: powerinfer-tray engines list",
    )


def _done(
    engines: EngineManager, begin: Callable[[], None], tell: Tell, cancelled: Cancellation
) -> EngineBuild:
    """Begin an installation or a proof, and follow it to its end."""

    def show() -> None:
        if installation := engines.installation():
            tell(_arriving(installation))

    def stop() -> None:
        shown = engines.installation()
        if shown and shown.phase is InstallPhase.DOWNLOADING:
            engines.pause()
        else:
            engines.cancel()

    engines.changed.connect(show)
    try:
        begin()
        with cancelled.calling(stop):
            build = engines.wait()
    except AppError as exc:
        if exc.code is not ErrorCode.DOWNLOAD_PAUSED:
            raise
        shown = engines.installation()
        raise paused(shown.received_bytes if shown else 0) from None
    finally:
        engines.changed.disconnect(show)
    return _build(build)


def paused(received_bytes: int) -> DownloadError:
    """The error of a command whose download was paused."""
    return DownloadError(
        ErrorCode.DOWNLOAD_PAUSED,
        "Paused",
        phrase("{size:,} bytes have been downloaded.", size=received_bytes),
        "Run the same command again to continue.",
    )


def _arriving(installation: Installation) -> EngineArriving:
    return EngineArriving(
        installation.build_id,
        installation.phase,
        installation.received_bytes,
        installation.total_bytes,
        installation.weights or "",
        installation.error.title if installation.error else "",
    )


def _installed(engine: InstalledEngine) -> EngineBuild:
    return _build(
        engine.build,
        in_use_by=engine.in_use_by,
        changed=engine.changed,
        set_aside={each.model_id: each.reason for each in engine.set_aside},
    )


def _build(
    build: InstalledBuild,
    *,
    in_use_by: tuple[str, ...] = (),
    changed: bool = False,
    set_aside: dict[str, str] | None = None,
) -> EngineBuild:
    return EngineBuild(
        id=build.id,
        name=str(build_name(build)),
        kind=build.kind,
        back_end=build.back_end,
        release=build.release,
        program=build.program,
        size_bytes=build.size_bytes,
        source=build.source,
        sha256=build.sha256,
        devices=tuple(each.name for each in build.devices),
        works_with=tuple(kind for kind, verdict in build.verdicts.items() if verdict.works),
        fails_with={kind: verdict.reason for kind, verdict in build.verdicts.items() if not verdict.works},
        speed=build.speed,
        in_use_by=in_use_by,
        changed=changed,
        set_aside=set_aside or {},
    )


def _offer(build: PublishedBuild, why_not: str) -> EngineOffer:
    return EngineOffer(
        build.id,
        str(build_name(build)),
        str(cost(build)),
        build.size_bytes,
        build.address,
        tuple(dict.fromkeys(each.terms for each in build.files)),
        why_not,
    )
