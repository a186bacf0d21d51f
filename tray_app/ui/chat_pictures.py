"""Pictures for a chat: read, scaled down for models, and made into thumbnails. Any thread.

Models get what all of them understand: PNG or JPEG, upright, and no larger than they can use.
"""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QSize, Qt
from PySide6.QtGui import QImage, QImageIOHandler, QImageReader

from tray_app.chats.conversation import Attachment
from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase, presentable
from tray_app.system.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tray_app.ui.bridge import Bridge

MOST_FILE_BYTES = 50_000_000
"""The largest file that is read; cameras write smaller ones."""
MOST_PICTURES = 8
"""Pictures in one message."""
_MOST_ALL_BYTES = 16 * 2**20
"""Bytes of the pictures in a message: every request contains the whole conversation, in at most 32 MiB."""
_MOST_REMEMBERED = 64
"""Thumbnails."""
_SIDE = 2048
"""Pixels of the longer side that a model gets: none that runs here uses more."""
_MOST_BYTES = 3_000_000
"""The largest picture that is sent unchanged."""
_FORMATS = {b"png": "image/png", b"jpeg": "image/jpeg", b"webp": "", b"gif": "", b"bmp": ""}
"""The formats that are read, by Qt's names, with the media type of those that may be sent unchanged."""
_EXIF = (b"Exif\0", b"eXIf")
"""The beginning of Exif data in JPEG and PNG. It may tell where a photo was taken, so it is not sent."""
_QUALITY = 90
PATTERN = "*.png *.jpg *.jpeg *.webp *.gif *.bmp"


def read_picture(path: Path) -> Attachment:
    """The picture in a file. `AppError` if it cannot be read, is not a picture, or is too large."""
    name = presentable(path.name)
    try:
        content = read_regular(path, MOST_FILE_BYTES)
    except OSError as exc:
        if path.is_file() and path.stat().st_size > MOST_FILE_BYTES:
            raise AppError(
                ErrorCode.FILE_TOO_LARGE,
                phrase("{name} is too large", name=name),
                phrase("Pictures can have up to {most} MB.", most=MOST_FILE_BYTES // 1_000_000),
                "Save it at a smaller size and add it again.",
            ) from exc
        raise AppError(
            ErrorCode.FILE_UNREADABLE,
            phrase("{name} cannot be read", name=name),
            exc.strerror or str(exc),
            "Check that it is an ordinary file and that you may read it.",
        ) from exc
    return picture_of(content, name)


def read_pictures(paths: Sequence[Path]) -> tuple[tuple[Attachment, ...], AppError | None]:
    """The pictures of files in their order, and why the first of the other files is none of them."""
    pictures, problem = [], None
    for path in paths:
        try:
            pictures.append(read_picture(path))
        except AppError as exc:
            problem = problem or exc
    return tuple(pictures), problem


def picture_of(content: bytes, name: str) -> Attachment:
    """A picture in a form that models understand. `AppError` if the content is not a picture."""
    buffer = QBuffer()
    buffer.setData(QByteArray(content))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer)
    reader.setAutoTransform(True)
    kind = bytes(reader.format().data())
    if kind not in _FORMATS:
        raise AppError(
            ErrorCode.FILE_FORMAT_UNKNOWN,
            phrase("{name} is not a picture", name=name),
            "PNG, JPEG, WebP, GIF and BMP files can be added.",
        )
    size = reader.size()
    upright = reader.transformation() == QImageIOHandler.Transformation.TransformationNone
    fits = max(size.width(), size.height()) <= _SIDE and len(content) <= _MOST_BYTES
    image = reader.read()
    if image.isNull():
        raise AppError(
            ErrorCode.FILE_UNREADABLE,
            phrase("{name} cannot be read", name=name),
            "The picture is damaged or too large.",
            "Open it in another app and save it again.",
        )
    if _FORMATS[kind] and upright and fits and not any(mark in content for mark in _EXIF):
        return Attachment(name, _FORMATS[kind], content)
    return drawn(image, name)


def drawn(image: QImage, name: str) -> Attachment:
    """A picture, scaled down and encoded as PNG or JPEG."""
    if max(image.width(), image.height()) > _SIDE:
        image = image.scaled(
            QSize(_SIDE, _SIDE),
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
    form = "PNG" if image.hasAlphaChannel() else "JPEG"
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, form, -1 if form == "PNG" else _QUALITY)  # type: ignore[call-overload]
    media_type = mimetypes.types_map[".png" if form == "PNG" else ".jpg"]
    return Attachment(name, media_type, bytes(data.data()))


def too_many(there: Sequence[Attachment], picture: Attachment) -> AppError | None:
    """Why a picture cannot be added to a message that has these already; None if it can."""
    if len(there) >= MOST_PICTURES:
        return AppError(
            ErrorCode.FILE_TOO_LARGE,
            "Too many pictures",
            phrase("A message can have up to {most} pictures.", most=MOST_PICTURES),
            "Send this message first.",
        )
    if sum(len(each.data) for each in (*there, picture)) > _MOST_ALL_BYTES:
        return AppError(
            ErrorCode.FILE_TOO_LARGE,
            "The pictures are too large",
            phrase(
                "The pictures of a message can have up to {most} MB together.", most=_MOST_ALL_BYTES // 2**20
            ),
            "Send this message first.",
        )
    return None


def small_image(picture: Attachment, side: int) -> QImage:
    """A picture scaled down to at most `side` pixels in each direction; a null image if it cannot be read."""
    buffer = QBuffer()
    buffer.setData(QByteArray(picture.data))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer)
    if bytes(reader.format().data()) not in _FORMATS:  # the file of the conversation was edited
        return QImage()
    reader.setAutoTransform(True)
    size = reader.size()
    if max(size.width(), size.height()) > side:
        scaled = size.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio)
        reader.setScaledSize(scaled.expandedTo(QSize(1, 1)))  # a very thin picture must not vanish
    return reader.read()


class Thumbnails:
    """Makes thumbnails of at most `side` pixels off the GUI thread, and remembers them. GUI thread."""

    def __init__(self, bridge: Bridge, side: int) -> None:
        self._bridge = bridge
        self._side = side
        self._made: dict[int, tuple[Attachment, QImage]] = {}

    def ask(self, picture: Attachment, hear: Callable[[QImage], object]) -> None:
        """Call `hear` with the thumbnail; at once if it has been made already."""
        if made := self._made.get(id(picture)):
            hear(made[1])
            return

        def keep(image: QImage) -> None:
            if len(self._made) >= _MOST_REMEMBERED:
                self._made.clear()
            self._made[id(picture)] = picture, image
            hear(image)

        self._bridge.run(lambda: small_image(picture, self._side), keep, lambda _: None)
