"""Pictures that a person gives to a chat: only what a model can take is taken, and of it only the picture."""

from __future__ import annotations

import struct
import zlib

import pytest
from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QImage

from tests.fakes.errors import coded
from tray_app.chats.conversation import Attachment
from tray_app.errors import AppError, ErrorCode
from tray_app.ui.chat_pictures import picture_of, small_image


def saved(form: str, width: int = 40, height: int = 30) -> bytes:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill("teal")
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    assert image.save(buffer, form)  # type: ignore[call-overload]
    return bytes(data.data())


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    """The head of a picture with as many pixels as it says, and few bytes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_small_picture_is_sent_as_it_is(form: str) -> None:
    assert picture_of(saved(form), "a").data == saved(form)


@pytest.mark.parametrize(
    "content",
    [saved("PNG")[:60], png_of(1000, 1000), png_of(20_000, 20_000), png_of(2**31 - 1, 2**31 - 1)],
    ids=["cut", "empty", "huge", "impossible"],
)
def test_a_picture_that_cannot_be_shown_is_refused_before_it_is_sent(content: bytes) -> None:
    with pytest.raises(AppError, check=coded(ErrorCode.FILE_UNREADABLE)):
        picture_of(content, "a")


def test_where_a_picture_was_taken_is_not_sent() -> None:
    jpeg, png = saved("JPEG"), saved("PNG")
    said = b"MM\0\x2a\0\0\0\x08\0\0\0\0\0\0 in my garden"
    app1 = b"\xff\xe1" + struct.pack(">H", len(said) + 8) + b"Exif\0\0" + said

    for content in (jpeg[:2] + app1 + jpeg[2:], png[:33] + chunk(b"eXIf", said) + png[33:]):
        sent = picture_of(content, "a").data
        assert b"in my garden" not in sent
        assert QImage.fromData(sent).width() == 40


def test_a_line_can_be_seen_small() -> None:
    made = small_image(Attachment("a", "image/png", saved("PNG", 1, 5000)), 160)

    assert (made.width(), made.height()) == (1, 160)
