"""Where a file comes from: reads what a person typed, and what a server says about the file. Pure.

Hugging Face answers `/resolve/` URLs with a redirect to a signed URL elsewhere. Only that redirect has the
size (`X-Linked-Size`), SHA-256 (`X-Linked-ETag`) and commit (`X-Repo-Commit`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlunsplit

from tray_app.download.address import HINT, HUGGING_FACE, Repository, read_address
from tray_app.download.file_names import first_name, told_name
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN_LETTERS = 60
_NUMBER = re.compile(r"[0-9]{1,19}")
"""19 digits are enough for the largest files of all file systems; converting more would only take time."""
_CONTENT_RANGE = re.compile(rf"bytes ({_NUMBER.pattern})-({_NUMBER.pattern})/({_NUMBER.pattern}|\*)")


@dataclass(frozen=True, slots=True)
class DownloadSource:
    """The URL of a file and its name here, which is safe on every system."""

    url: str
    file_name: str
    settled: bool = True
    """Whether the name is final. False if the URL names no model, and the server was not asked yet."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What a server has said about a file; None for what it has not."""

    source: DownloadSource
    size_bytes: int | None
    sha256: str | None
    revision: str | None
    """Its commit."""
    validator: str | None
    """Its ETag, or else its modification date: a text that changes with the file."""
    name: str | None = None
    """Its name, if the URL does not contain one."""

    @property
    def can_be_recognised(self) -> bool:
        """Whether it is possible to decide if another answer belongs to the same file."""
        return self.size_bytes is not None and bool(self.sha256 or self.revision or self.validator)

    def is_same_as(self, other: RemoteFile) -> bool:
        """Whether both certainly have the same bytes; False without any evidence."""
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        if (self.source.url, self.size_bytes) != (other.source.url, other.size_bytes):
            return False
        pairs = ((self.revision, other.revision), (_strong(self.validator), _strong(other.validator)))
        evidence = [mine == theirs for mine, theirs in pairs if mine and theirs]
        return bool(evidence) and all(evidence)

    def may_be(self, other: RemoteFile) -> bool:
        """Whether they differ at most in their validators, which each computer of a mirror may make in its
        own way.
        """
        known = ((self.sha256, other.sha256), (self.revision, other.revision))
        differ = any(mine != theirs for mine, theirs in known if mine and theirs)
        return not differ and (self.source.url, self.size_bytes) == (other.source.url, other.size_bytes)


def parse_source(text: str, endpoint: str = HUGGING_FACE) -> DownloadSource:
    """The source that a person has named: `http(s)://…` or `hf:owner/repo/path[@revision]`. `DownloadError`
    for anything else.

    `endpoint`: where `hf:` leads, Hugging Face or a mirror of it.
    """
    found = read_address(text, endpoint)
    if isinstance(found, Repository):
        raise DownloadError(
            ErrorCode.ADDRESS_NAMES_NO_FILE,
            "The URL does not name a file",
            phrase("{repository} is a repository, which can contain many files.", repository=found.name),
            HINT,
        )
    url = urlunsplit(found)
    name, settled = first_name(url)
    if not name:
        raise DownloadError(
            ErrorCode.ADDRESS_NAMES_NO_FILE,
            "The URL does not name a file",
            phrase("“{text}” ends without a file name.", text=text),
            HINT,
        )
    return DownloadSource(url, name, settled)


def checked_digest(text: str) -> str:
    """A SHA-256 that a person has typed, in `hashlib`'s form. `DownloadError` if it is not one."""
    digest = text.strip().lower()
    if not _SHA256.fullmatch(digest):
        raise DownloadError(
            ErrorCode.CHECKSUM_INVALID,
            "This is not a SHA-256",
            phrase("“{text}” should be 64 characters: 0 to 9 and a to f.", text=text),
        )
    return digest


def describe_file(source: DownloadSource, answers: Sequence[Mapping[str, str]]) -> RemoteFile:
    """The file as the headers of all answers describe it; `answers`: those of the redirects, then of the last
    one.

    `DownloadError` if a number in them is invalid.
    """
    tags = [tag.removeprefix("W/").strip('"') for tag in _values(answers, "X-Linked-ETag")]
    size = next(_values(answers, "X-Linked-Size"), "")
    last = answers[-1]
    return RemoteFile(
        source=source,
        size_bytes=_number("X-Linked-Size", size) if size else full_size(last),
        sha256=next((tag for tag in tags if _SHA256.fullmatch(tag)), None),
        revision=next(_values(answers, "X-Repo-Commit"), None),
        validator=next(iter(tags), None) or last.get("ETag") or last.get("Last-Modified"),
        name=None if source.settled else told_name(source.url, answers),
    )


def full_size(headers: Mapping[str, str]) -> int | None:
    """The size of the whole file in the headers of an answer with a body. `DownloadError` if it is not a
    number.
    """
    if found := _range_of(headers):
        return None if found[3] == "*" else int(found[3])
    length = headers.get("Content-Length", "").strip(" \t")
    return _number("Content-Length", length) if length else None


def answered_span(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """The offsets of a partial answer's first byte and after its last one; None if the header is missing or
    invalid.
    """
    found = _range_of(headers)
    return (int(found[1]), int(found[2]) + 1) if found else None


def _values(answers: Sequence[Mapping[str, str]], name: str) -> Iterator[str]:
    return (answer[name] for answer in answers if answer.get(name))


def _strong(validator: str | None) -> str | None:
    """An ETag without the mark for weak ones, which proxies add if they compress other answers."""
    return validator.removeprefix("W/") if validator else None


def _range_of(headers: Mapping[str, str]) -> re.Match[str] | None:
    """The numbers in a Content-Range header; None if it is missing or invalid."""
    return _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip(" \t"))


def _number(header: str, text: str) -> int:
    if _NUMBER.fullmatch(text):
        return int(text)
    raise DownloadError(
        ErrorCode.SOURCE_SIZE_UNCLEAR,
        "The server does not give a valid file size",
        phrase(
            "It sent “{header}: {text}”, which is not a number.",
            header=header,
            text=text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}…",
        ),
        "Use another server.",
    )
