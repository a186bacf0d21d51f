"""New versions of this app: the question whether to check for them, and the card about one. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app import __version__
from tray_app.download.progress import Phase
from tray_app.errors import AppError, ErrorCode
from tray_app.ui.presenters.card import CardView
from tray_app.ui.presenters.formatting import error_lines, permille, progress_text
from tray_app.ui.presenters.notices import update_title

if TYPE_CHECKING:
    from tray_app.app.release import Release
    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.phrases import Text, Translate


_NO_ROOM: Text = (
    "Free some space and check that this app may write to your downloads folder, then choose Download."
)
_HINTS: dict[ErrorCode, Text] = {
    ErrorCode.CONNECTION_LOST: "What was downloaded is kept. Choose Download to continue.",
    ErrorCode.DISK_FULL: _NO_ROOM,
    ErrorCode.FILE_TOO_LARGE_FOR_DISK: _NO_ROOM,
    ErrorCode.FOLDER_NOT_WRITABLE: _NO_ROOM,
    ErrorCode.NOT_ENOUGH_SPACE: _NO_ROOM,
    ErrorCode.SOURCE_FILE_NOT_FOUND: "It may have been withdrawn. Try again tomorrow.",
}
"""In place of those of other downloads, which speak of the models folder and of Resume."""


class UpdateAction(StrEnum):
    """What can be done about a new version, and the answers to the question."""

    TELL = "tell"
    REFUSE = "refuse"
    NEWS = "news"
    DOWNLOAD = "download"
    SKIP = "skip"
    CANCEL = "cancel"
    REVEAL = "reveal"


def update_label(action: UpdateAction, tr: Translate) -> str:
    """The label of its button."""
    return {
        UpdateAction.TELL: tr("Tell Me"),
        UpdateAction.REFUSE: tr("No, Thanks"),
        UpdateAction.NEWS: tr("What Is New"),
        UpdateAction.DOWNLOAD: tr("Download"),
        UpdateAction.SKIP: tr("Skip This Version"),
        UpdateAction.CANCEL: tr("Cancel"),
        UpdateAction.REVEAL: tr("Show in Folder"),
    }[action]


def update_card(status: AppStatus, tr: Translate, *, checking: bool = False) -> CardView | None:
    """A card about the new version, else the question, once a model is chosen; None if there is neither.

    `checking`: the signature of its package is being checked.
    """
    updates = status.updates
    if updates.newer:
        return _of_release(updates.newer, status, tr, checking=checking)
    if updates.asks and status.settings.model:
        return CardView(
            "",
            title=tr("Would you like to hear about new versions?"),
            text=tr(
                "The app would check once a week whether there is a new version. It sends only the version "
                "that you have, and installs nothing. You can change this in the settings."
            ),
            actions=(UpdateAction.TELL, UpdateAction.REFUSE),
        )
    return None


def _of_release(release: Release, status: AppStatus, tr: Translate, *, checking: bool) -> CardView:
    download = status.updates.download
    if checking:
        return CardView("", title=update_title(release, tr), note=tr("Checking the signature …"), busy=True)
    if download and download.phase.active:
        return _of_download(release, download, tr)
    if download and download.phase is Phase.DONE:
        return CardView(
            "",
            title=tr("Version {version} has been downloaded").format(version=release.version),
            text=tr(
                "{file} is in your downloads folder, and its signature has been checked. Quit this app "
                "before you install it."
            ).format(file=download.name),
            actions=(UpdateAction.REVEAL, UpdateAction.NEWS),
        )
    title, text = update_title(release, tr), tr("You have version {version}.").format(version=__version__)
    fetches = status.updates.fetches
    if download and download.error:
        title = tr("The download of version {version} failed").format(version=release.version)
        text = "\n".join(error_lines(_of_a_package(download.error), tr))
    elif release.page and not fetches:
        text += " " + tr(
            "“Download” opens the page of the new version in your browser. The guide says how to check a "
            "package."
        )
    downloads = (UpdateAction.DOWNLOAD,) if fetches or release.page else ()
    return CardView("", title=title, text=text, actions=(UpdateAction.NEWS, *downloads, UpdateAction.SKIP))


def _of_a_package(error: AppError) -> AppError:
    """A download's error with a hint that suits a package."""
    title, cause, hint = error.texts
    return AppError(error.code, title, cause, _HINTS.get(error.code, hint))


def _of_download(release: Release, download: Progress, tr: Translate) -> CardView:
    share = permille(download)
    return CardView(
        "",
        title=tr("Downloading version {version}").format(version=release.version),
        note=progress_text(download, tr),
        permille=share,
        busy=share is None,
        actions=(UpdateAction.CANCEL,),
    )
