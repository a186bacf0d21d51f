"""The name of a downloaded file: from its address or from the server, made safe for every system. Pure.

Many addresses have no file name: `…/api/download/models/1`, `…/repo?FilePath=x.gguf`, `…/blobs/sha256:…`.
Then the server is asked. A name without the ending of a model gets one, or the file would not be found again.
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
"""File systems allow 255; the names of the partial file and its journal are a little longer."""

_LONGEST_HEADER = 4096
"""The longest header that is read for a name."""

_UNSAFE = re.compile(r'[<>:"/\\|?*]')
WINDOWS_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE
)
"""Names that mean a device on Windows, with whatever ending."""
# One parameter of a header, as RFC 6266 has it, and as servers write it that have not read that.
_PARAMETER = re.compile(r'(?:^|;)\s*([\w!#$&+.^`|~-]+\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_EXTENDED = re.compile(r"([\w.:-]+)'[^']*'(.*)", re.DOTALL)


def names_a_model(name: str) -> bool:
    """Whether a file of this name is found among the models."""
    return name.lower().endswith(MODEL_SUFFIX) and not name.startswith(".") and len(name) > len(MODEL_SUFFIX)


def first_name(url: str) -> tuple[str, bool]:
    """The name of what is at an address, before anybody was asked, and whether it is the last word.

    While it is not, it is another for every address, so that two downloads never share a partial file. Empty
    if the address names nothing.
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
    """What the file is called by the headers of all answers on the way to it; None: nobody says."""
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
    """The name for good, once the server was asked; that of a model if the file begins as one."""
    name = told or _last_part(urlsplit(url).path)
    if is_model and not names_a_model(name.lstrip(". ")):
        name += MODEL_SUFFIX
    return safe_name(name)


def disposition_name(header: str) -> str:
    """The file name in a Content-Disposition, without folders; empty if there is none that can be read."""
    parameters = _PARAMETER.findall(header[:_LONGEST_HEADER])
    found = {name.lower(): text.strip() for name, text in parameters}
    for text in (_extended(found.get("filename*", "")), _plain(found.get("filename", ""))):
        name = re.split(r"[/\\]", text)[-1].strip()
        if name.strip(". "):
            return name
    return ""


def safe_name(name: str) -> str:
    """`name` as every file system takes it: no separator, no device name, not too long, with its ending.

    Nothing in it is hidden, and neither is the file, which a dot in front would do.
    """
    name = rewritten(unicodedata.normalize("NFC", name), _seen)
    name = _UNSAFE.sub("_", name).strip(". ")
    if WINDOWS_DEVICES.fullmatch(name):
        name = f"_{name}"
    return _shortened(name).strip(". ") or "model"


def _seen(harmful: str) -> str:
    """What stands for a character that no name may have: nothing, if nobody could see it."""
    return "_" if unicodedata.category(harmful) in {"Cc", "Cs"} else ""


def _in_query(url: str) -> Iterator[str]:
    """Names of models in what follows the `?`: `FilePath=sub/x.gguf`, `file=x.gguf`."""
    for _, value in parse_qsl(_parts(url).query):
        name = re.split(r"[/\\]", value)[-1]
        if names_a_model(name):
            yield name


def _parts(url: str) -> SplitResult:
    """An address in its parts; empty ones if it is none: a server may say anything."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _last_part(path: str) -> str:
    return unquote(path.rpartition("/")[2])


def _extended(text: str) -> str:
    """A value as RFC 8187 has it: `UTF-8''na%C3%AFve.gguf`; or what servers take for that."""
    text = text.strip("\"'") if text.startswith(('"', "'")) else text
    charset, value = found.groups() if (found := _EXTENDED.fullmatch(text)) else ("utf-8", text)
    try:
        return unquote_to_bytes(_bytes(value)).decode(charset, errors="replace")
    except (LookupError, UnicodeError):  # there is no such charset, or it is none for texts
        return ""


def _plain(text: str) -> str:
    """A value between quotes or not; in UTF-8, percent or RFC 2047's letters, which all are seen."""
    text = re.sub(r'\\(["\\])', r"\1", text.strip("\"'"))
    try:
        if "=?" in text:
            return str(make_header(decode_header(text)))
        return unquote_to_bytes(_bytes(text)).decode()
    except (MessageError, LookupError, ValueError):  # there is no such charset, or it is none for texts
        return text


def _bytes(text: str) -> bytes:
    """What was sent: headers arrive as Latin-1, whatever they are in."""
    return text.encode("latin-1") if all(ord(letter) < 256 for letter in text) else text.encode()  # noqa: PLR2004


def _shortened(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    tail = f"{dot}{ending}".encode()
    if len(name.encode()) <= NAME_LIMIT_BYTES or len(tail) > NAME_LIMIT_BYTES // 2:
        return name.encode()[:NAME_LIMIT_BYTES].decode(errors="ignore")
    return stem.encode()[: NAME_LIMIT_BYTES - len(tail)].decode(errors="ignore") + tail.decode()
