"""Targets that are downloads: addresses, what servers say of a file, what an interrupted run has left."""

from __future__ import annotations

import contextlib
import json
import tempfile
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from hypothesis import strategies as st

from tests.fuzz.harness import Target, edited
from tray_app.download.address import address_in, is_address, read_address
from tray_app.download.file_names import NAME_LIMIT_BYTES, last_name, safe_name
from tray_app.download.job import Job
from tray_app.download.part import JOURNAL_ENDING, PART_ENDING, Journal, PartFile, find_journals
from tray_app.download.segments import Span
from tray_app.download.source import DownloadSource, RemoteFile, answered_span, describe_file, parse_source
from tray_app.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


UNSAFE = set('<>:"/\\|?*\0\n\r\x1b')


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _safe(name: str) -> bool:
    return (
        name not in {"", ".", ".."}
        and not name.startswith(".")
        and not set(name) & UNSAFE
        and len(name.encode()) <= NAME_LIMIT_BYTES
        and safe_name(name) == name
    )


# Addresses that people paste.

ADDRESSES = (
    *(b"https://huggingface.co/o/r/resolve/main/m.gguf", b"hf:o/r/sub/m.gguf@refs/pr/1"),
    *(b"hf.co/o/r:Q4_K_M", b"<https://user:pw@example.org:8080/a%20b.gguf?x=1#y>."),
    *(b"[m](https://x.org/m.gguf)", b"hf://o/r/m.gguf", b"$ ollama run hf.co/o/r:Q4"),
    *(b"https://modelscope.cn/models/o/r/file/view/master/m.gguf?status=2", b"https://[::1]:9/m.gguf"),
    b"HTTPS://huggingface.co/o/r?show_file_info=m.gguf",
)
ADDRESS_WORDS = (
    *(b"://", b"/", b"//", b"\\", b"@", b":", b"..", b"/../", b"%2f", b"%00", b"%", b"[", b"]", b"?"),
    *(b"#", b"\0", b"\n", b"\xff", b"\xed\xa0\x80", b"javascript:", b"file:", b"ftp:", b"hf:", b"https:"),
    *(b":99999", b":x", b"\xe2\x80\xae", b"\xef\xbc\x8f", b"\xe2\x84\x80", b"xn--", b" ", b"(", b")"),
    *(b".gguf", b"-00001-of-99999.gguf"),
)
ANY_TEXT = st.text(max_size=60) | st.text(st.characters(), max_size=20)


def check_address(data: bytes) -> None:
    """The address of a file on the web with a safe name here, or words that say why it is none."""
    text = data.decode("utf-8", "surrogateescape")
    assert bool(address_in(text)) is is_address(text)
    with contextlib.suppress(DownloadError):
        read_address(text)
    try:
        source = parse_source(text)
    except DownloadError as error:
        str(error).encode()
        return
    parts = urlsplit(source.url)
    assert parts.scheme in {"http", "https"}
    assert parts.hostname
    source.url.encode()
    assert _safe(source.file_name)


# What a server says of a file: headers, with an empty line before those of the next answer.

SERVER_SAYS = (
    b'X-Linked-Size: 7\nX-Linked-ETag: "abab"\nX-Repo-Commit: c0ffee\n\nContent-Length: 7\nETag: W/"e"\n',
    b"Location: https://cdn.example/x/m.gguf?sig=1\n\nContent-Length: 7\n",
    b"Content-Range: bytes 5-9/10\nContent-Length: 5\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\n",
    b"Content-Disposition: attachment; filename=\"nice model.gguf\"; filename*=UTF-8''na%C3%AFve.gguf\n",
    b'Content-Disposition: attachment; filename="=?UTF-8?B?5pel5pys6KqeLmdndWY=?="\n',
)
HEADER_WORDS = (
    *(b"9" * 5000, b"-1", b"0", b"+5", b"1_0", b"\xb2", b"\xd9\xa3", b"18446744073709551616", b"*", b"/"),
    *(b"-", b";", b'"', b"\\", b"filename*=", b"filename=", b"''", b"klingon''", b"utf-16''%00"),
    *(b"idna''a..b", b"%2F..", b"..", b"../", b"C:\\", b"=?UTF-8?B?", b"=?UTF-8?Q?=00?=", b"=?x?b?!?="),
    *(b"?=", b"con.gguf", b"\0", b"\n", b"Content-Disposition: attachment; ", b"Location: //["),
    *(b"Location: \\\\", b"X-Linked-Size: "),
)
ASKED = DownloadSource("https://civitai.com/api/download/models/1", "models-1", settled=False)


def _answers(data: bytes) -> list[dict[str, str]]:
    """Headers as the HTTP library hands them out: Latin-1, without line ends."""
    blocks = data.decode("latin-1").split("\n\n")
    rows = [[line.partition(":") for line in block.split("\n")] for block in blocks]
    return [{name.strip(): value.strip() for name, _, value in block} for block in rows]


def check_server(data: bytes) -> None:
    """A size that is one, and a name that is safe on every system; or words for what is wrong."""
    answers = _answers(data)
    for answer in answers:
        with contextlib.suppress(DownloadError):
            answered_span(answer)
    try:
        remote = describe_file(ASKED, answers)
    except DownloadError as error:
        str(error).encode()
        return
    assert remote.size_bytes is None or 0 <= remote.size_bytes < 10**19
    for is_model in (True, False):
        assert _safe(last_name(ASKED.url, remote.name, is_model=is_model))


# What an interrupted download has left: the length of the part on the first line, then the journal.

SOURCE = DownloadSource("https://example.org/m.gguf", "m.gguf")
JOURNAL = msgspec.json.encode(
    Journal(
        SOURCE, None, 1.5, RemoteFile(SOURCE, 1000, "ab" * 32, "main", '"e"'), (Span(0, 100), Span(200, 300))
    )
)
OFFSETS = st.sampled_from([-(2**63), -1, 0, 1, 99, 100, 200, 999, 1000, 1001, 2**31, 2**62, 2**63 - 1])


def _journal(part_bytes: int, size_bytes: int | None, spans: list[tuple[int, int]], file_name: str) -> bytes:
    document = json.loads(JOURNAL)
    document["done"] = spans
    document["remote"]["size_bytes"] = size_bytes
    document["source"]["file_name"] = file_name
    return b"%d\n" % part_bytes + json.dumps(document).encode()


JOURNALS = st.one_of(
    st.builds(
        _journal,
        st.integers(0, 1200),
        st.none() | OFFSETS,
        st.lists(st.tuples(OFFSETS, OFFSETS), max_size=4),
        st.sampled_from(
            ["m.gguf", "../m.gguf", "/etc/passwd", "", "\0", "a/b", ".", "..", "C:\\a", "\ud800", "a" * 300]
        ),
    ),
    edited(
        [b"500\n" + JOURNAL],
        [
            b"-1",
            b"1e400",
            b"null",
            b"9" * 5000,
            b"[" * 3000,
            b"\xff",
            b'"\\ud800"',
            b"true",
            b"9007199254740993",
        ],
    ),
)


@contextmanager
def journals_ready() -> Iterator[Callable[[bytes], None]]:
    """A folder of models."""
    with tempfile.TemporaryDirectory() as folder:
        yield partial(check_journal, Path(folder))


def check_journal(folder: Path, data: bytes) -> None:
    """A download goes on with bytes that are there, or anew; into the folder where its journal lies."""
    length, _, journal = data.partition(b"\n")
    (folder / f"m.gguf{JOURNAL_ENDING}").write_bytes(journal)
    part_bytes = int(length) % 5000 if length[:9].isdigit() and len(length) < 9 else 0
    (folder / f"m.gguf{PART_ENDING}").write_bytes(bytes(part_bytes))
    for number, (final, found) in enumerate(find_journals(folder)):
        progress = Job.left_behind(number, folder, found).progress()
        assert progress.received_bytes >= 0
        assert progress.total_bytes is None or progress.received_bytes <= progress.total_bytes
        assert progress.path.parent == final.parent
    part = PartFile(folder / "m.gguf", SOURCE)
    part.load()
    done = part.plan.done
    assert all(0 <= span.start < span.end <= part_bytes for span in done)
    assert all(before.end < after.start for before, after in pairwise(done))
    while claim := part.plan.claim_run():
        part.plan.advance(claim, claim.rest_bytes)
    if part.plan.size_bytes is not None:
        assert part.plan.received_bytes == part.plan.size_bytes


TARGETS = (
    Target(
        "addresses",
        st.builds(
            lambda start, text: start + _bytes(text), st.sampled_from([b"", b"hf:", b"https://"]), ANY_TEXT
        )
        | edited(ADDRESSES, ADDRESS_WORDS),
        lambda: nullcontext(check_address),
        300,
    ),
    Target("servers", edited(SERVER_SAYS, HEADER_WORDS), lambda: nullcontext(check_server), 300),
    Target("journals", JOURNALS, journals_ready),
)
