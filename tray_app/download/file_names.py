"""The name of a downloaded file, from its URL or from the server, made safe for every system. Pure.

Many URLs have no file name: `…/api/download/models/1`, `…/repo?FilePath=x.gguf`, `…/blobs/sha256:…`. Then the
server is asked. A model's name without `.gguf` gets it, or the file would not be found among the models.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, unquote_to_bytes, urlsplit

from tray_app.phrases import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from urllib.parse import SplitResult

MODEL_SUFFIX = ".gguf"
"""The ending of every model file, in any case."""
NAME_LIMIT_BYTES = 200
"""File systems allow 255, and the names of the partial file and its journal are a little longer."""

_LONGEST_HEADER = 4096
"""The most characters of a header that are searched for a name."""

_UNSAFE = re.compile(r'[<>:"/\\|?*]')
WINDOWS_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE
)
"""Names that mean a device on Windows, with any ending."""
# One parameter of a header, as in RFC 6266 and as servers write it that do not follow it.
_PARAMETER = re.compile(r'(?:^|;)\s*([\w!#$&+.^`|~-]+\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_EXTENDED = re.compile(r"([\w.:-]+)'[^']*'(.*)", re.DOTALL)


def names_a_model(name: str) -> bool:
    """Whether a file of this name is found among the models."""
    return name.lower().endswith(MODEL_SUFFIX) and not name.startswith(".") and len(name) > len(MODEL_SUFFIX)


def first_name(url: str) -> tuple[str, bool]:
    """The file name in a URL, and whether it is final, so that the server need not be asked.

    A name that is not final has a hash of the URL, unless the URL's query names a model, so that two
    downloads do not share a partial file. Empty if the URL contains no name.
    """
    own = _last_part(urlsplit(url).path)
    if names_a_model(own):
        return safe_name(own), True
    if told := next(_in_query(url), None):
        return safe_name(told), False
    if not own:
        return "", False
    return safe_name(f"{own}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"), False


def told_name(url: str, answers: Sequence[Mapping[str, str]]) -> str | None:
    """The file's name in the headers of all answers on the way to it, or in their URLs; None if there is
    none.
    """
    dispositions = (answer.get("Content-Disposition", "") for answer in reversed(answers))
    targets = [answer["Location"] for answer in reversed(answers) if answer.get("Location")]
    by_address = (_last_part(_parts(target).path) for target in targets)
    names = (
        *filter(None, map(disposition_name, dispositions)),
        *_in_query(url),
        *filter(names_a_model, by_address),
        *(name for target in targets for name in _in_query(target)),
    )
    return next(iter(names), None)


def last_name(url: str, told: str | None, *, is_model: bool) -> str:
    """The final name, once the server was asked; with `.gguf` if the file starts like a model
    (`is_model`).
    """
    name = told or _last_part(urlsplit(url).path)
    if is_model and not names_a_model(name.lstrip(". ")):
        name += MODEL_SUFFIX
    return safe_name(name)


def disposition_name(header: str) -> str:
    """The file name in a Content-Disposition header, without folders; empty if there is no valid one."""
    parameters = _PARAMETER.findall(header[:_LONGEST_HEADER])
    found = {name.lower(): text.strip() for name, text in parameters}
    for text in (_extended(found.get("filename*", "")), _plain(found.get("filename", ""))):
        name = re.split(r"[/\\]", text)[-1].strip()
        if name.strip(". "):
            return name
    return ""


def safe_name(name: str) -> str:
    """`name` as every file system accepts it: without separators and device names, not too long, with its
    ending.

    Without invisible characters, and without a dot at the beginning, which would hide the file.
    """
    name = rewritten(unicodedata.normalize("NFC", name), _seen)
    name = _UNSAFE.sub("_", name).strip(". ")
    if WINDOWS_DEVICES.fullmatch(name):
        name = f"_{name}"
    return _shortened(name).strip(". ") or "model"


def _seen(harmful: str) -> str:
    """The replacement for a character that is not allowed in names: nothing if it is invisible anyway."""
    return "_" if unicodedata.category(harmful) in {"Cc", "Cs"} else ""


def _in_query(url: str) -> Iterator[str]:
    """Names of models in the query of a URL: `FilePath=sub/x.gguf`, `file=x.gguf`."""
    for _, value in parse_qsl(_parts(url).query):
        name = re.split(r"[/\\]", value)[-1]
        if names_a_model(name):
            yield name


def _parts(url: str) -> SplitResult:
    """The parts of a URL from a server; empty ones if it is invalid."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _last_part(path: str) -> str:
    return unquote(path.rpartition("/")[2])


def _extended(text: str) -> str:
    """The value of an RFC 8187 parameter, such as `UTF-8''na%C3%AFve.gguf`, or of an attempt at one."""
    text = text.strip("\"'") if text.startswith(('"', "'")) else text
    charset, value = found.groups() if (found := _EXTENDED.fullmatch(text)) else ("utf-8", text)
    try:
        return unquote_to_bytes(_bytes(value)).decode(charset, errors="replace")
    except (LookupError, UnicodeError):  # an unknown charset, or a codec that is not for texts
        return ""


def _plain(text: str) -> str:
    """A value with or without quotes, in UTF-8, percent-encoding or RFC 2047's encoding: servers send all of
    them.
    """
    text = re.sub(r'\\(["\\])', r"\1", text.strip("\"'"))
    try:
        if "=?" in text:
            return str(make_header(decode_header(text)))
        return unquote_to_bytes(_bytes(text)).decode()
    except (MessageError, LookupError, ValueError):  # an unknown charset, or a codec that is not for texts
        return text


def _bytes(text: str) -> bytes:
    """The bytes that were sent: the library decodes headers as Latin-1, whatever their encoding is."""
    return text.encode("latin-1") if all(ord(letter) < 256 for letter in text) else text.encode()  # noqa: PLR2004


def _shortened(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    tail = f"{dot}{ending}".encode()
    if len(name.encode()) <= NAME_LIMIT_BYTES or len(tail) > NAME_LIMIT_BYTES // 2:
        return name.encode()[:NAME_LIMIT_BYTES].decode(errors="ignore")
    return stem.encode()[: NAME_LIMIT_BYTES - len(tail)].decode(errors="ignore") + tail.decode()
