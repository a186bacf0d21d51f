"""Finds models on Hugging Face, or on a mirror of it, and lists those of a repository. Any thread; blocks.

Facts about its API (from the pages “api” and “rate-limits” of its documentation, and from the source of
huggingface_hub):

- `GET /api/models` finds repositories. `expand` names the properties that are wanted; unknown ones are
  missing.
- `GET /api/models/OWNER/NAME/tree/REVISION` lists files, 1,000 at a time. Large ones have `lfs` with their
  size and SHA-256, even if Xet stores them.
- For both, the header `Link: <…>; rel="next"` gives the next page: the same address with another query.
- A renamed repository answers with 307 and its new address.
- Every answer has `RateLimit: "api";r=REQUESTS;t=SECONDS`: the requests that are left for this time.

Strangers wrote all of it: invalid names of repositories and files are left out, and texts are made
`presentable`.
"""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec

from tray_app.download.address import has_odd_letters
from tray_app.download.faults import TransientError, UnreachableError, broken_transfer
from tray_app.download.file_names import names_a_model
from tray_app.download.repository import LONGEST_PATH, is_model_file, not_listed, quantization_of
from tray_app.download.response_body import pieces_of
from tray_app.errors import DownloadError, ErrorCode
from tray_app.models.model_files import parts_of, stem_of
from tray_app.models.projectors import is_named_so
from tray_app.phrases import one_line, phrase, presentable
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

    from tray_app.download.address import Repository
    from tray_app.download.session import Session

PAGE_SIZE = 20
"""Repositories on one page of search results."""

_TIMEOUT_S = (10.0, 30.0)
_LONGEST_PAGE_BYTES = 16 << 20
"""For one answer. A repository takes a few KB, or hundreds with a long chat template; 1,000 files take 0.4
MB."""
_LONGEST_SEARCH_S = 60.0
_LONGEST_LIST_S = 120.0
_MOST_PAGES = 100
"""Enough for 100,000 files; the largest repositories have about as many."""
_MOST_FILES = 100_000
_MOST_MODELS = 1000
"""Of one repository: whether each fits into memory is computed, and people do not look through more."""
_LONGEST_SEARCH = 200
"""In characters; names of repositories are shorter."""
_LARGEST = 1 << 60
"""The largest size or count that is believed; file systems and counters stay below it."""
_LONGEST_WORD = 60
_MOST_LANGUAGES = 100

_EXPANDED = ("downloads", "likes", "lastModified", "gated", "pipeline_tag", "cardData", "gguf")
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_LISTED = re.compile(r"/api/models/([^/]+/[^/]+)/tree/")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]+)*", re.IGNORECASE | re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Sort(StrEnum):
    """The order of search results, by the API's names."""

    DOWNLOADS = "downloads"
    LIKES = "likes"
    TRENDING = "trendingScore"
    NEWEST = "lastModified"


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository in the results of a search; None or empty for what the site does not say."""

    repository: str
    """`owner/name`."""
    downloads: int | None = None
    """In the last 30 days."""
    likes: int | None = None
    modified: str = ""
    """The day of the last change, as `2026-11-29`."""
    gated: bool = False
    """Whether its files can be downloaded only after accepting its terms."""
    license: str = ""
    languages: tuple[str, ...] = ()
    """ISO 639 codes, as its publisher gives them."""
    task: str = ""
    """Such as `text-generation` or `feature-extraction`."""
    architecture: str = ""
    parameters: int | None = None
    """The number of weights."""
    context_length: int | None = None
    """In tokens."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of search results."""

    repositories: tuple[HubModel, ...]
    next: str = ""
    """The parameter `page` of `search` for the next page; empty on the last one."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository."""

    path: str
    size_bytes: int
    sha256: str | None = None
    """None for small files that are not in LFS: their digests are not listed."""


@dataclass(frozen=True, slots=True)
class HubQuantization:
    """A whole model of a repository in one quantization, in one or several files."""

    files: tuple[HubFile, ...]
    """In order."""

    @property
    def path(self) -> str:
        """The first file."""
        return self.files[0].path

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def label(self) -> str:
        """The quantization in the file name, such as `Q4_K_M` or `UD-Q4_K_XL`; empty if there is none."""
        return quantization_of(self.path).upper()

    @property
    def model(self) -> str:
        """The file name without the quantization: the same for all quantizations of one model."""
        stem = stem_of(PurePosixPath(self.path)).casefold()
        return stem.removesuffix(self.label.casefold()).strip("-._ ")


@dataclass(frozen=True, slots=True)
class HubFiles:
    """The models and projectors of a repository."""

    repository: Repository
    """With its new name, if it was renamed."""
    quantizations: tuple[HubQuantization, ...]
    """The smallest first."""
    projectors: tuple[HubFile, ...]
    complete: bool = True
    """False if it has more files than are looked at."""


def search(
    session: Session, site: str, words: str = "", *, sort: Sort = Sort.DOWNLOADS, page: str = ""
) -> SearchPage:
    """Repositories with GGUF files whose names contain these words; without words, all.

    `site`: such as `https://huggingface.co`. `page`: the `next` of the previous page; it replaces `words` and
    `sort`. `DownloadError` if there is no answer, or it is not a list of repositories.
    """
    url = f"{site.strip().rstrip('/')}/api/models"
    query = page or urlencode(
        [
            ("search", presentable(words.strip()[:_LONGEST_SEARCH])),
            ("filter", "gguf"),
            ("sort", sort),
            ("direction", "-1"),
            ("limit", PAGE_SIZE),
            *(("expand", name) for name in _EXPANDED),
        ]
    )
    with closing(_ask_for_search(session, url, query)) as answer:
        content = _content(answer, _LONGEST_SEARCH_S)
        following = _next_query(answer)
    try:
        entries = msgspec.json.decode(content, type=tuple[msgspec.Raw, ...])
    except NOT_JSON as exc:
        raise DownloadError(
            ErrorCode.SEARCH_NOT_ANSWERED,
            "The search for models failed",
            phrase("{site} did not send a list of models.", site=site),
            "Try again later, or check the setting hf_endpoint.",
        ) from exc
    found = (_found(entry) for entry in entries[:PAGE_SIZE])
    return SearchPage(tuple(model for model in found if model), following)


def files(session: Session, repository: Repository) -> HubFiles:
    """The models of a repository, or only of its `folder` if one is given.

    `DownloadError` if there is no such repository, no answer, or it is not a list of files.
    """
    end_s = time.monotonic() + _LONGEST_LIST_S
    sizes: dict[str, HubFile] = {}
    query = "recursive=true"
    for _ in range(_MOST_PAGES):
        revision = quote(repository.revision, safe="")
        url = f"{repository.site}/api/models/{quote(repository.name)}/tree/{revision}"
        with closing(_ask(session, url, query)) as answer:
            content = _content(answer, max(0.0, end_s - time.monotonic()))
            repository = _renamed(repository, answer.url)
            query = _next_query(answer)
        sizes |= {file.path: file for file in _listed(repository, content)}
        if not query or len(sizes) > _MOST_FILES:
            break
    wanted = [file for file in sizes.values() if file.path.startswith(repository.prefix)]
    found = [file for file in wanted if is_model_file(file.path)]
    whole = filter(None, (_quantization(file, sizes) for file in found[:_MOST_MODELS]))
    return HubFiles(
        repository,
        tuple(sorted(whole, key=lambda each: (each.size_bytes, each.path))),
        tuple(file for file in wanted if is_named_so(PurePosixPath(file.path)) and names_a_model(file.path)),
        complete=not query and len(found) <= _MOST_MODELS,
    )


def _ask(session: Session, url: str, query: str) -> Response:
    return session.get_hops(f"{url}?{query}", {}, _TIMEOUT_S)[-1]


def _ask_for_search(session: Session, url: str, query: str) -> Response:
    """As `_ask`, with one sentence for people who have only typed some words."""
    try:
        return _ask(session, url, query)
    except UnreachableError as exc:
        if exc.code is not ErrorCode.SOURCE_UNREACHABLE:  # an error of a proxy, which says more
            raise
        raise UnreachableError(
            exc.code,
            phrase(
                "The search for models is not possible because {host} cannot be reached. Check your "
                "internet connection.",
                host=urlsplit(url).netloc,
            ),
        ) from exc


def _content(answer: Response, limit_s: float) -> bytes:
    """The whole body. `DownloadError` if it breaks off, takes longer than `limit_s`, or is too long."""
    try:
        content = b"".join(pieces_of(answer, _LONGEST_PAGE_BYTES + 1, limit_s))
        if len(content) > _LONGEST_PAGE_BYTES:
            raise broken_transfer("The server is sending far more data than a list needs.")
    except TransientError as exc:  # its own texts are about a file of which a part is kept
        raise TransientError(
            exc.code, "The server's list could not be loaded", exc.texts[1], "Try again in a moment."
        ) from exc
    return content


def _next_query(answer: Response) -> str:
    """The query of the next page; empty if there is none.

    Only the query of the link is used: mirrors pass on links to Hugging Face, and no link may lead to another
    server.
    """
    try:
        query = urlsplit(answer.links.get("next", {}).get("url", "")).query
    except ValueError:
        return ""
    return "" if has_odd_letters(query) else query


class _Lfs(msgspec.Struct, gc=False):
    oid: str
    size: int


class _TreeEntry(msgspec.Struct, gc=False):
    """The used properties of a file or folder in a listing."""

    type: str
    path: str
    size: int = 0
    lfs: _Lfs | None = None


def _listed(repository: Repository, content: bytes) -> Iterator[HubFile]:
    """The files on one page of a listing that can be downloaded."""
    try:
        entries = msgspec.json.decode(content, type=tuple[_TreeEntry, ...])
    except NOT_JSON as exc:
        raise not_listed(repository) from exc
    for entry in entries:
        size_bytes = entry.lfs.size if entry.lfs else entry.size
        if entry.type == "file" and names_a_model(entry.path) and _is_plain(entry.path):
            digest = entry.lfs.oid if entry.lfs and _SHA256.fullmatch(entry.lfs.oid) else None
            if 0 < size_bytes <= _LARGEST:
                yield HubFile(entry.path, size_bytes, digest)


def _is_plain(path: str) -> bool:
    """Whether a path can be part of an address without leading elsewhere, and is readable."""
    return (
        len(path) <= LONGEST_PATH
        and presentable(path) == path
        and "\\" not in path
        and not any(part in {"", ".", ".."} for part in path.split("/"))
    )


def _quantization(first: HubFile, sizes: dict[str, HubFile]) -> HubQuantization | None:
    """The model with this first file; None if some of its files are missing."""
    paths = (str(part) for part in parts_of(PurePosixPath(first.path)))
    parts = tuple(sizes.get(path) for path in paths)
    whole = tuple(part for part in parts if part)
    return HubQuantization(whole) if len(whole) == len(parts) else None


def _renamed(repository: Repository, url: str) -> Repository:
    """The repository with its new name, if its listing came from another address."""
    found = _LISTED.search(unquote(urlsplit(url).path))
    if found is None or not _NAME.fullmatch(found[1]):
        return repository
    return replace(repository, name=found[1])


class _Entry(msgspec.Struct):
    """A repository in the answer to a search. Publishers write most of it, so values may have any type."""

    id: str
    downloads: Any = None
    likes: Any = None
    last_modified: Any = msgspec.field(default=None, name="lastModified")
    gated: Any = None
    pipeline_tag: Any = None
    card: Any = msgspec.field(default=None, name="cardData")
    gguf: Any = None


def _found(entry: msgspec.Raw) -> HubModel | None:
    """None if the entry is not a repository with a valid name."""
    try:
        told = msgspec.json.decode(entry, type=_Entry)
    except NOT_JSON:
        return None
    if not _NAME.fullmatch(told.id):
        return None
    card = told.card if isinstance(told.card, dict) else {}
    gguf = told.gguf if isinstance(told.gguf, dict) else {}
    day = _DATE.match(told.last_modified) if isinstance(told.last_modified, str) else None
    return HubModel(
        told.id,
        downloads=_count(told.downloads),
        likes=_count(told.likes),
        modified=day[0] if day else "",
        gated=bool(told.gated),
        license=", ".join(_words(card.get("license"))),
        languages=tuple(word.lower() for word in _words(card.get("language")) if _LANGUAGE.fullmatch(word)),
        task=", ".join(_words(told.pipeline_tag)),
        architecture=", ".join(_words(gguf.get("architecture"))),
        parameters=_count(gguf.get("total")),
        context_length=_count(gguf.get("context_length")),
    )


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _LARGEST else None


def _words(value: object) -> tuple[str, ...]:
    """The texts in a value, which may be a text or a list of texts, each as a short line."""
    texts = value if isinstance(value, list) else [value]
    return tuple(one_line(text[:_LONGEST_WORD]) for text in texts[:_MOST_LANGUAGES] if isinstance(text, str))
