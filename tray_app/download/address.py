"""URLs of models as people type them or copy them from browsers, chats and terminals. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from urllib.parse import SplitResult

HUGGING_FACE = "https://huggingface.co"
HINT = "Enter the URL of a file (https://…/model.gguf) or hf:owner/repository/file.gguf."

# Known without https:// in front. Any other host could also be a folder on this computer.
_KNOWN_HOSTS = (
    "huggingface.co",
    "hf.co",
    "hf-mirror.com",
    "modelscope.cn",
    "modelscope.ai",
    "github.com",
    "githubusercontent.com",
    "civitai.com",
    "registry.ollama.ai",
)
_LIKE_HUGGING_FACE = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "hf-mirror.com"})
_HOST = rf"(?:[a-z0-9-]+\.)*(?:{'|'.join(map(re.escape, _KNOWN_HOSTS))})/"
_START = re.compile(rf"https?:|hf:|{_HOST}", re.IGNORECASE)
_WITHOUT_SCHEME = re.compile(_HOST, re.IGNORECASE)
_SHORT = re.compile(r"hf:/{0,2}|hf\.co/", re.IGNORECASE)

_COMMAND = re.compile(r"[$>]?\s*ollama\s+(?:run|pull)\s+(\S+).*", re.DOTALL)
_MARKDOWN = re.compile(r"\[[^\]]*\]\((\S+)\)")
_AROUND = "\"'`<>"
"""Characters around a URL in a text, in addition to brackets and quotation marks of every language."""
_IN_ADDRESSES = ")/%&*@#\\"
"""Punctuation that a URL may end with."""

_LONGEST = 8192
"""The longest URL in characters. RFC 9110 (4.1) recommends supporting 8,000 octets."""

_ROUTES = frozenset({"blob", "raw", "resolve", "tree"})
_FILE = re.compile(r"(?P<repo>[^/@:]+/[^/@:]+)/(?P<path>[^@]*[^/@])(?:@(?P<revision>[^@]+))?")
_REPOSITORY = re.compile(r"(?P<repo>[^/@:]+/[^/@:]+)(?::(?P<tag>[^/@]+))?(?:@(?P<revision>[^@]+))?")
_BLOB_PAGE = re.compile(r"(/[^/]+/[^/]+)/blob/(.+)")
_MODELSCOPE_PAGE = re.compile(r"(/models/[^/]+/[^/]+)/file/view/(.+)")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of Hugging Face or a mirror, given without a file."""

    site: str
    """Such as `https://huggingface.co`."""
    name: str
    """`owner/repository`."""
    tag: str = ""
    """The quantization, such as `Q4_K_M`, or a file's name; empty if none was given."""
    revision: str = "main"
    folder: str = ""
    """The folder of the model in the repository; empty for any."""

    @property
    def prefix(self) -> str:
        """The beginning of the paths of all files in `folder`."""
        return f"{self.folder}/" if self.folder else ""

    def address(self, path: str) -> str:
        """The URL of a file in the repository."""
        revision = quote(self.revision, safe="")
        return f"{self.site}/{quote(self.name)}/resolve/{revision}/{quote(path)}"


def is_address(text: str) -> bool:
    """Whether a text is a URL or starts with `hf:`, and is not a file or model on this computer."""
    return _START.match(_bare(text)) is not None


def address_in(text: str) -> str:
    """The URL that a text consists of, without quotes or brackets around it; empty if it is not one."""
    bare = _bare(text)
    return bare if _START.match(bare) else ""


def read_address(text: str, endpoint: str = HUGGING_FACE) -> SplitResult | Repository:
    """The URL of a file, or the repository that contains it; `DownloadError` if `text` is neither.

    `endpoint`: where `hf:` and `hf.co/` lead, Hugging Face or a mirror of it.
    """
    if len(text) > _LONGEST:
        raise DownloadError(
            ErrorCode.ADDRESS_INVALID,
            "This is not a URL",
            phrase(
                "It starts with “{text}” and is {count:,} characters long. The limit is {most:,}.",
                count=len(text),
                text=ascii(text[:60])[1:-1],
                most=_LONGEST,
            ),
            HINT,
        )
    bare = _bare(text)
    if has_odd_letters(bare):
        raise DownloadError(
            ErrorCode.ADDRESS_INVALID,
            "This is not a URL",
            phrase("“{text}” contains characters that are not allowed in a URL.", text=ascii(bare)[1:-1]),
            HINT,
        )
    site = endpoint.strip().rstrip("/")
    if (short := _SHORT.match(bare)) and (found := _read_short(bare[short.end() :], site)):
        return urlsplit(found) if isinstance(found, str) else found
    if bare.lower().startswith("hf:"):
        raise DownloadError(
            ErrorCode.ADDRESS_INVALID,
            "This is not a file on Hugging Face",
            phrase("“{text}” is not a known form.", text=bare),
            HINT,
        )
    url = f"https://{bare}" if _WITHOUT_SCHEME.match(bare) else bare
    return _behind_page(_checked(url, text), site)


def has_odd_letters(text: str) -> bool:
    """Whether a text has characters that no URL can have (including undecodable bytes), or is too long."""
    return len(text) > _LONGEST or any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text)


def _bare(text: str) -> str:
    """A pasted text without the characters and commands around a URL in chats, mails and terminals."""
    if len(text) > _LONGEST:  # not a URL, and parsing it would take long
        return text
    for pattern in (_COMMAND, _MARKDOWN):
        if found := pattern.fullmatch(text.strip()):
            text = found[1]
    start, end = 0, len(text)
    while start < end and _leads_in(text[start]):
        start += 1
    while start < end and _leads_out(text[start:end]):
        end -= 1
    return text[start:end]


def _leads_in(letter: str) -> bool:
    return letter in _AROUND or unicodedata.category(letter) in {"Zs", "Cf", "Cc", "Ps", "Pi"}


def _leads_out(text: str) -> bool:
    """Whether the last character does not belong to the URL; a closing bracket does if it was opened."""
    last = text[-1]
    if last == ")":
        return text.count(")") > text.count("(")
    kinds = {"Zs", "Cf", "Cc", "Pe", "Pf", "Pi", "Po"}
    return last in _AROUND or (unicodedata.category(last) in kinds and last not in _IN_ADDRESSES)


def _read_short(text: str, site: str) -> str | Repository | None:
    """`owner/repository/file@revision` as a URL, `owner/repository:TAG` as a repository."""
    if found := _REPOSITORY.fullmatch(text):
        return Repository(site, found["repo"], _tag(found["tag"]), found["revision"] or "main")
    found = _FILE.fullmatch(text)
    if not found or found["path"].partition("/")[0] in _ROUTES or "?" in text:
        return None
    return Repository(site, found["repo"], revision=found["revision"] or "main").address(found["path"])


def _tag(text: str | None) -> str:
    return "" if text is None or text.lower() == "latest" else text


def _checked(url: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port  # raises here if it is invalid
    except ValueError as exc:
        raise DownloadError(
            ErrorCode.ADDRESS_INVALID,
            "This is not a URL",
            phrase("“{text}”: {reason}.", text=text, reason=exc),
            HINT,
        ) from exc
    if parts.scheme not in {"http", "https"} or not host:
        raise DownloadError(
            ErrorCode.ADDRESS_INVALID,
            "This URL cannot be downloaded",
            phrase("“{text}” is not a known form.", text=text),
            HINT,
        )
    return parts._replace(fragment="")


def _behind_page(parts: SplitResult, site: str) -> SplitResult | Repository:
    """The URL of the file itself, if a URL is that of a web page about the file."""
    host = parts.hostname or ""
    if host in _LIKE_HUGGING_FACE or parts.netloc == urlsplit(site).netloc:
        return _behind_hugging_face(parts)
    if host.endswith((".modelscope.cn", ".modelscope.ai")) or host in {"modelscope.cn", "modelscope.ai"}:
        found = _MODELSCOPE_PAGE.fullmatch(parts.path)
        path = f"{found[1]}/resolve/{quote(unquote(found[2]))}" if found else parts.path
        return parts._replace(path=path, query="" if found else parts.query)
    route = "raw" if host == "github.com" else "resolve"
    found = _BLOB_PAGE.fullmatch(parts.path)
    return parts._replace(path=f"{found[1]}/{route}/{found[2]}") if found else parts


def _behind_hugging_face(parts: SplitResult) -> SplitResult | Repository:
    if parts.hostname == "hf.co":
        parts = parts._replace(netloc="huggingface.co")
    site = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    shown = parse_qs(parts.query).get("show_file_info")
    match parts.path.strip("/").split("/"):
        case [owner, repository, *route] if not route or (route[0] == "tree" and len(route) > 1):
            name, _, tag = unquote(repository).partition(":")
            found = Repository(
                site,
                f"{unquote(owner)}/{name}",
                _tag(tag),
                revision=unquote(route[1]) if route else "main",
                folder="/".join(map(unquote, route[2:])),
            )
            return urlsplit(found.address(shown[0])) if shown else found
        case [owner, repository, "blob" | "raw" | "resolve", revision, *path] if path:
            file = "/".join((owner, repository, "resolve", revision, *path))
            return parts._replace(path=f"/{file}")
        case _:
            return parts
