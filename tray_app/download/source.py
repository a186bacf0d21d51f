"""Where a model comes from: reads what a person typed, and what a server says about the file. Pure.

Facts about Hugging Face: its `/resolve/` address answers with a redirect to a signed address elsewhere. The
size (`X-Linked-Size`), SHA-256 (`X-Linked-ETag`) and commit (`X-Repo-Commit`) stand on that redirect only.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from tray_app.errors import DownloadError
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from urllib.parse import SplitResult

HUGGING_FACE = "https://huggingface.co"
NAME_LIMIT_BYTES = 200
"""File systems allow 255; the names of the partial file and its journal are a little longer."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOB_PAGE = re.compile(r"(/[^/]+/[^/]+)/blob/(.+)")
_HF_REFERENCE = re.compile(r"(?P<repo>[^/@]+/[^/@]+)/(?P<path>[^@]*[^/@])(?:@(?P<revision>[^@]+))?")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)

_HINT = "Give the address of a file (https://…/model.gguf) or hf:owner/repository/file.gguf."


@dataclass(frozen=True, slots=True)
class Source:
    """The address of a file and the name it gets here, safe on every system."""

    url: str
    file_name: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What a server said about a file. None: it did not say."""

    source: Source
    size_bytes: int | None
    sha256: str | None
    revision: str | None
    """The commit it belongs to."""
    validator: str | None
    """Its ETag, else the time of its last change: a text that changes when the file does."""

    @property
    def can_be_recognised(self) -> bool:
        """Whether two answers can be told to belong to the same file."""
        return self.size_bytes is not None and bool(self.sha256 or self.revision or self.validator)

    def is_same_as(self, other: RemoteFile) -> bool:
        """Whether both are surely the same bytes. Without any evidence they are not."""
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        if (self.source.url, self.size_bytes) != (other.source.url, other.size_bytes):
            return False
        pairs = ((self.revision, other.revision), (self.validator, other.validator))
        evidence = [mine == theirs for mine, theirs in pairs if mine and theirs]
        return bool(evidence) and all(evidence)


def parse_source(text: str, endpoint: str = HUGGING_FACE) -> Source:
    """The source a person named: `http(s)://…` or `hf:owner/repo/path[@revision]`; else DownloadError.

    `endpoint`: where `hf:` leads, Hugging Face or a mirror of it.
    """
    text = text.strip()
    url = _expand(text, endpoint.strip().rstrip("/")) if text.startswith("hf:") else text
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port  # looked at here, so that a bad one fails here
    except ValueError as exc:
        raise DownloadError(
            "This is no address", phrase("“{text}”: {reason}.", text=text, reason=exc), _HINT
        ) from exc
    if parts.scheme not in {"http", "https"} or not host:
        raise DownloadError(
            "This is no address that can be downloaded",
            phrase("“{text}” is not understood.", text=text),
            _HINT,
        )
    name = unquote(parts.path.rpartition("/")[2])
    if not name:
        raise DownloadError(
            "The address names no file", phrase("“{text}” ends without a file name.", text=text), _HINT
        )
    return Source(urlunsplit(_file_behind_page(parts)), safe_name(name))


def checked_digest(text: str) -> str:
    """A SHA-256 that a person gave, in the form that hashlib prints. DownloadError if it is none."""
    digest = text.strip().lower()
    if not _SHA256.fullmatch(digest):
        raise DownloadError(
            "This is no SHA-256", phrase("“{text}” should be 64 characters of 0-9 and a-f.", text=text)
        )
    return digest


def safe_name(name: str) -> str:
    """`name` as every file system takes it: no separator, no device name, not too long, with its ending."""
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).rstrip(". ").lstrip()
    if _WINDOWS_DEVICES.fullmatch(name):
        name = f"_{name}"
    return _shortened(name).rstrip(". ") or "model"


def describe(source: Source, answers: Sequence[Mapping[str, str]]) -> RemoteFile:
    """The file as the headers of all answers on the way describe it, the redirects' before the last one's."""
    tags = [tag.removeprefix("W/").strip('"') for tag in _values(answers, "X-Linked-ETag")]
    sizes = (_number(text) for text in _values(answers, "X-Linked-Size"))
    last = answers[-1]
    return RemoteFile(
        source=source,
        size_bytes=next((size for size in sizes if size is not None), full_size(last)),
        sha256=next((tag for tag in tags if _SHA256.fullmatch(tag)), None),
        revision=next(_values(answers, "X-Repo-Commit"), None),
        validator=next(iter(tags), None) or last.get("ETag") or last.get("Last-Modified"),
    )


def full_size(headers: Mapping[str, str]) -> int | None:
    """The size of the whole file, as one answer with a body says it."""
    if found := _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "")):
        return _number(found[3])
    return _number(headers.get("Content-Length", ""))


def answered_span(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Offsets of a partial answer's first byte and of the one after its last; None if they are not clear."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    return (int(found[1]), int(found[2]) + 1) if found else None


def _shortened(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    tail = f"{dot}{ending}".encode()
    if len(name.encode()) <= NAME_LIMIT_BYTES or len(tail) > NAME_LIMIT_BYTES // 2:
        return name.encode()[:NAME_LIMIT_BYTES].decode(errors="ignore")
    return stem.encode()[: NAME_LIMIT_BYTES - len(tail)].decode(errors="ignore") + tail.decode()


def _expand(text: str, endpoint: str) -> str:
    found = _HF_REFERENCE.fullmatch(text.removeprefix("hf:"))
    if not found:
        raise DownloadError(
            "This is no file on Hugging Face", phrase("“{text}” is not understood.", text=text), _HINT
        )
    revision = quote(found["revision"] or "main", safe="")
    return f"{endpoint}/{quote(found['repo'])}/resolve/{revision}/{quote(found['path'])}"


def _file_behind_page(parts: SplitResult) -> SplitResult:
    """The address of the file itself, where the person copied that of the page which shows it."""
    file_route = "raw" if parts.hostname == "github.com" else "resolve"
    found = _BLOB_PAGE.fullmatch(parts.path)
    path = f"{found[1]}/{file_route}/{found[2]}" if found else parts.path
    return parts._replace(path=path, fragment="")


def _values(answers: Sequence[Mapping[str, str]], name: str) -> Iterator[str]:
    return (answer[name] for answer in answers if answer.get(name))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
