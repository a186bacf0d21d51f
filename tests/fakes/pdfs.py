"""PDF files for tests, written by hand: with text, with pictures of it, locked, and ones that mean harm."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def pdf_of(*pages: str) -> bytes:
    """A file with one line of text on each page; an empty one has nothing."""
    contents = [f"BT /F1 12 Tf 72 720 Td ({page}) Tj ET".encode() if page else b"" for page in pages]
    return _pdf([(content, b"") for content in contents])


def bomb(levels: int = 12, each: int = 10) -> bytes:
    """A page that draws a form that draws ten others, and so on: a trillion drawings in some kilobytes."""
    return _pdf([(b"/X0 Do " * each, b"/XObject << /X0 9 0 R >>")], _forms(levels, each))


def with_half_of_a_character() -> bytes:
    """A page that says ABC, in a font of which A means the first half of an emoji."""
    names = (
        b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange "
        b"1 beginbfchar <41> <D800> endbfchar endcmap"
    )
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 10 0 R >>"
    shown = [(b"/X0 Do", b"/XObject << /X0 11 0 R >>")]
    drawn = b"BT /F1 12 Tf (ABC) Tj ET"
    form = b"<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /Font << /F1 9 0 R >> >>"
    return _pdf(
        shown,
        [
            font,
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(names), names),
            form + b" /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        ],
    )


def locked(content: bytes, password: str = "secret", algorithm: str = "RC4-128") -> bytes:  # noqa: S107
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt(password, owner_password="owner", algorithm=algorithm)  # noqa: S106
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _forms(levels: int, each: int) -> list[bytes]:
    """Objects 9, 10, …: each draws the next one several times, the last one writes a word."""
    forms = []
    for level in range(levels):
        last = level == levels - 1
        drawn = b"BT /F1 12 Tf (boom) Tj ET" if last else b"/X0 Do " * each
        more = b"/Font << /F1 3 0 R >>" if last else b"/XObject << /X0 %d 0 R >>" % (10 + level)
        forms.append(
            b"<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << %s >> /Length %d >>\n"
            b"stream\n%s\nendstream" % (more, len(drawn), drawn)
        )
    return forms


def _pdf(pages: Sequence[tuple[bytes, bytes]], more: Sequence[bytes] = ()) -> bytes:
    """A file of pages (contents, further resources); `more` are the objects from 9 on."""
    first = max(9 + len(more), 9)
    kids = b" ".join(b"%d 0 R" % (first + 2 * number) for number in range(len(pages)))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        **dict(enumerate(more, 9)),
    }
    for number, (content, resources) in enumerate(pages):
        at = first + 2 * number
        objects[at] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> %s >> >>" % (at + 1, resources)
        )
        objects[at + 1] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)
    written = b"%PDF-1.4\n"
    places = {}
    for number, body in objects.items():
        places[number] = len(written)
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"0000000000 65535 f \n"
    for number in range(1, max(objects) + 1):
        table += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 00000 f \n"
    size = max(objects) + 1
    return written + b"xref\n0 %d\n%strailer << /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        table,
        size,
        len(written),
    )
