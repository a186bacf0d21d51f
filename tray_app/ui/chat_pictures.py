"""Pictures that a person gives to a chat: read, made small enough for models, shown small. Any thread.

A model is given what all of them understand: PNG or JPEG, upright, and no larger than it can see.
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
"""Of a file that is read: more than cameras write."""
MOST_PICTURES = 8
"""With one message."""
_MOST_ALL_BYTES = 16 * 2**20
"""Of the pictures of a message: all of a conversation go with every request, which may have 32 MiB."""
_MOST_REMEMBERED = 64
"""Small pictures."""
_SIDE = 2048
"""Pixels of the longer side that a model is given: none that runs here sees more."""
_MOST_BYTES = 3_000_000
"""Of a picture that is sent as it is."""
_FORMATS = {b"png": "image/png", b"jpeg": "image/jpeg", b"webp": "", b"gif": "", b"bmp": ""}
"""What is read, with the type of what may be sent as it is."""
_EXIF = (b"Exif\0", b"eXIf")
"""How it begins in JPEG and PNG what cameras say, such as where they were: that is not sent or exported."""
_QUALITY = 90
PATTERN = "*.png *.jpg *.jpeg *.webp *.gif *.bmp"


def read_picture(path: Path) -> Attachment:
    """The picture of a file. `AppError` if it is none, or too large."""
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
    """A picture as models understand it. `AppError` if it is none."""
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
    """A picture of the clipboard, or one that is not sent as it is."""
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
    """Why a picture cannot go with a message that has these already; None if it can."""
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
    """A picture with at most so many pixels at each side; an empty one if it cannot be read."""
    buffer = QBuffer()
    buffer.setData(QByteArray(picture.data))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer)
    if bytes(reader.format().data()) not in _FORMATS:  # whoever has edited the file
        return QImage()
    reader.setAutoTransform(True)
    size = reader.size()
    if max(size.width(), size.height()) > side:
        scaled = size.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio)
        reader.setScaledSize(scaled.expandedTo(QSize(1, 1)))  # of a line, too, there is something to see
    return reader.read()


class Thumbnails:
    """Makes pictures small, off the GUI thread, and remembers them. GUI thread."""

    def __init__(self, bridge: Bridge, side: int) -> None:
        self._bridge = bridge
        self._side = side
        self._made: dict[int, tuple[Attachment, QImage]] = {}

    def ask(self, picture: Attachment, hear: Callable[[QImage], object]) -> None:
        """Call `hear` with the small picture, at once if it is there."""
        if made := self._made.get(id(picture)):
            hear(made[1])
            return

        def keep(image: QImage) -> None:
            if len(self._made) >= _MOST_REMEMBERED:
                self._made.clear()
            self._made[id(picture)] = picture, image
            hear(image)

        self._bridge.run(lambda: small_image(picture, self._side), keep, lambda _: None)
