"""News of engines: one that suits this computer, an installation, one that is not used. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.engine.builds.installation import InstallPhase
from tray_app.engine.builds.wording import by_hand
from tray_app.errors import DownloadError, ErrorCode, Fix
from tray_app.ui.presenters.builds import EngineAction, installed_ids
from tray_app.ui.presenters.card import CardView
from tray_app.ui.presenters.engine_names import build_title
from tray_app.ui.presenters.formatting import amount_text, error_lines, error_title, permille, transfer_parts
from tray_app.ui.presenters.notices import key_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from tray_app.app.engine_manager import EnginesOverview
    from tray_app.app.status import AppStatus
    from tray_app.engine.builds.build import PublishedBuild
    from tray_app.engine.builds.installation import Installation
    from tray_app.phrases import Translate
    from tray_app.ui.presenters.notices import NoticeKey


def offer_card(
    overview: EnginesOverview, installation: Installation | None, tr: Translate
) -> CardView | None:
    """The build that suits this computer; None if there is none, or it is installed or being installed."""
    build = overview.advice.build
    if build is None or build.id in installed_ids(overview) or _occupies(installation, build):
        return None
    return CardView(
        build.id,
        title=_offer_title(build, tr, update=overview.advice.replaces is not None),
        text=tr.said(overview.advice.sentence),
        urgent=True,
        actions=(EngineAction.UPDATE if overview.advice.replaces else EngineAction.INSTALL,),
    )


def _offer_title(build: PublishedBuild, tr: Translate, *, update: bool) -> str:
    if update:
        return tr("A newer engine is available")
    if build.back_end.uses_card:
        return tr("Use your graphics card")
    return tr("A faster engine for this processor")


def machine_text(overview: EnginesOverview, tr: Translate) -> str:
    """The sentence about this computer that is shown when no card recommends a build."""
    return tr.said(overview.advice.sentence)


def installation_card(
    installation: Installation | None, overview: EnginesOverview | None, tr: Translate
) -> CardView | None:
    """An installation or a test that is under way, waits or has failed."""
    if installation is None or installation.phase is InstallPhase.DONE:
        return None
    name, is_new = _name_of(installation, overview, tr)
    help_text = _help_without_network(installation, overview, tr)
    if installation.phase is InstallPhase.FAILED:
        return _failed_card(installation, name, help_text, tr, is_new=is_new)
    course, actions = _course(installation, tr)
    share = None if installation.phase is InstallPhase.PROVING else permille(installation)
    return CardView(
        installation.build_id,
        title=(tr("Installing {engine}") if is_new else tr("Testing {engine}")).format(engine=name),
        text=help_text,
        note=course,
        permille=share,
        busy=share is None and installation.phase is not InstallPhase.PAUSED,
        actions=actions,
    )


def _name_of(installation: Installation, overview: EnginesOverview | None, tr: Translate) -> tuple[str, bool]:
    """The name of the build, and whether it is being installed, not only tested."""
    build_id, offers = installation.build_id, overview.offers if overview else ()
    if installation.total_bytes is None:  # nothing is downloaded or unpacked
        for each in overview.installed if overview else ():
            if each.build.id == build_id:
                return build_title(each.build, tr, offers), False
    offer = next((each for each in offers if each.id == build_id), None)
    return (build_title(offer, tr) if offer else build_id), True


def _help_without_network(installation: Installation, overview: EnginesOverview | None, tr: Translate) -> str:
    """How to install a published build without the network; empty if the network is not the cause."""
    offers = overview.offers if overview else ()
    offer = next((each for each in offers if each.id == installation.build_id), None)
    error = installation.error
    blamed = isinstance(error, DownloadError) and error.code is not ErrorCode.CHECKSUM_DIFFERS
    return tr.said(by_hand(offer)) if offer and blamed else ""


def _course(installation: Installation, tr: Translate) -> tuple[str, tuple[EngineAction, ...]]:
    """The step of the installation, and what can be done meanwhile."""
    match installation.phase:
        case InstallPhase.PAUSED:
            text = tr("Paused at {amount}").format(amount=amount_text(installation, tr))
            return text, (EngineAction.RESUME, EngineAction.CANCEL)
        case InstallPhase.UNPACKING:
            return tr("Unpacking …"), (EngineAction.CANCEL,)
        case InstallPhase.PROVING if installation.weights:
            text = tr("Testing its answers with {kind} …")
            return text.format(kind=installation.weights), (EngineAction.CANCEL,)
        case InstallPhase.PROVING:
            return tr("Testing its answers on this computer …"), (EngineAction.CANCEL,)
        case _:
            return _transfer_text(installation, tr), (EngineAction.PAUSE, EngineAction.CANCEL)


def fallback_card(status: AppStatus, tr: Translate, *, read: Collection[NoticeKey] = ()) -> CardView | None:
    """Why an installed engine does not run a loaded model; None if the person has `read` all of that."""
    for notice in status.notices:
        if key_of(notice) in read:
            continue
        _, reason, _ = notice.error.texts
        again = notice.error.fix is Fix.ALLOW_ENGINE
        return CardView(
            notice.build_id,
            title=error_title(notice.error, tr),
            text=tr.said(reason),
            note=tr("Another engine is used until you choose Try Again.")
            if again
            else tr("Another engine is used instead. See Engines for details."),
            urgent=True,
            actions=(EngineAction.ALLOW, EngineAction.HIDE) if again else (EngineAction.HIDE,),
        )
    return None


def _occupies(installation: Installation | None, build: PublishedBuild) -> bool:
    """Whether an installation is under way, or that of this build has failed, which another card tells."""
    if installation is None or installation.phase is InstallPhase.DONE:
        return False
    return installation.phase is not InstallPhase.FAILED or installation.build_id == build.id


def _failed_card(
    installation: Installation, name: str, help_text: str, tr: Translate, *, is_new: bool
) -> CardView:
    error = installation.error
    title = tr("{engine} could not be installed") if is_new else tr("{engine} failed its test")
    return CardView(
        installation.build_id,
        title=title.format(engine=name),
        text="\n".join(error_lines(error, tr)) if error else error_title(None, tr),
        note=help_text,
        urgent=True,
        actions=(EngineAction.RETRY, EngineAction.CLOSE),
    )


def _transfer_text(installation: Installation, tr: Translate) -> str:
    if installation.error:
        doing = tr("Waiting: {cause}").format(cause=error_title(installation.error, tr))
    else:
        doing = tr("Downloading")
    return " · ".join((doing, *transfer_parts(installation, tr)))
