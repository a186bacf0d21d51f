"""Whether bytes are UTF-8. Pure."""

from __future__ import annotations

import codecs

_PIECE_BYTES = 64 * 1024


def check_utf8(data: bytes) -> None:
    """Raise `UnicodeDecodeError` for what is not UTF-8: msgspec looks at no letters that it passes on.

    Piece by piece, because a text takes four times as much memory as soon as it has one emoji.
    """
    if data.isascii():
        return
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(data)
    for start in range(0, len(data), _PIECE_BYTES):
        decoder.decode(view[start : start + _PIECE_BYTES])
    decoder.decode(b"", final=True)
