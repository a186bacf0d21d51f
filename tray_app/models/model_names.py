"""Names of models: a unique id for apps and a unique name for people, both made from their files' names.

Pure. The id of a file does not change when other files come or go, except as `ids_of` describes.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from pathlib import PurePath, PurePosixPath
from typing import TYPE_CHECKING

from tray_app.download.file_names import MODEL_SUFFIX
from tray_app.models.model_files import stem_of, without_suffix
from tray_app.phrases import presentable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_HASH_DIGITS = 6
"""Enough to tell a few files apart; more are used if these are equal."""
NAMELESS = "model"
"""The id, before a hash is added, of a file whose name has no characters that are allowed in an id."""
_KEPT = re.compile(r"[A-Za-z0-9._-]")
_KEPT_CLASSES = ("L", "M", "N", "So")
"""Unicode's letters, the marks on them, digits, and pictures (emoji)."""
_SKIN_TONES = re.compile("[\N{EMOJI MODIFIER FITZPATRICK TYPE-1-2}-\N{EMOJI MODIFIER FITZPATRICK TYPE-6}]")
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""Invisible letters and marks."""


def ids_of(files: Sequence[str], fixed: Mapping[str, str], reserved: Collection[str]) -> dict[str, str]:
    """An id for each file of a models folder. Files are given as paths below the folder, with "/" between
    parts.

    Usually the file's name without `.gguf`, with "-" instead of characters that clients, shells and URLs may
    not accept. If several files would have the same id, the one in the folder itself with exactly this name
    gets it; the others get a hash of their path added, which depends on nothing else. So does a file whose
    name has no usable or undecodable characters, and one whose id would be another file's name. `fixed`: the
    ids of files in the catalog. `reserved`: all ids of the catalog; other files with such a name get `.gguf`
    added.
    """
    ids = dict(fixed)
    wanted = {name: plain_id(name, reserved) for name in files if name not in ids}
    claims = Counter(wanted.values())
    exact = Counter(each for name, each in wanted.items() if _is_exact(name, each))
    others = set(files)
    for name, each in wanted.items():
        alone = claims[each] == 1 or (exact[each] == 1 and _is_exact(name, each))
        if alone and not _says_too_little(name) and (each == name or each not in others):
            ids[name] = each
    taken = {*reserved, *others, *ids.values()}
    for name in sorted(wanted.keys() - ids.keys()):
        ids[name] = free_id(name, wanted[name], taken)
        taken.add(ids[name])
    return ids


def free_id(name: str, wanted: str, taken: Collection[str]) -> str:
    """`wanted` with as many digits of a hash of `name` as make it different from all `taken` ones."""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()
    lengths = range(_HASH_DIGITS, len(digest) + 1)
    return next(each for each in (f"{wanted}-{digest[:length]}" for length in lengths) if each not in taken)


def plain_id(name: str, reserved: Collection[str]) -> str:
    """The id that a file would have if there were no other files."""
    text = unicodedata.normalize("NFC", _stem(name))
    kept = "".join(sign if _is_kept(sign) else "" if _is_invisible(sign) else "\n" for sign in text)
    wanted = re.sub(r"\n+", "-", kept).strip("-").lstrip(".-") or NAMELESS
    return wanted + MODEL_SUFFIX if wanted in reserved else wanted


def earlier_id(name: str) -> str:
    """The id that earlier versions gave a file, with only ASCII letters."""
    stem = without_suffix(PurePath(name))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-") or NAMELESS


def names_of(files: Mapping[str, str]) -> dict[str, str]:
    """A name for people for each file. `files`: the ids by file, as from `ids_of`.

    Usually the file's name without `.gguf` and without the number of a split model. If others have the same
    name, its folder is put before it; if even that is not unique, its id is added.
    """
    names = {name: _shown(stem_of(PurePosixPath(name))) for name in files}
    for longer in (_with_folder, _shown):
        counts = Counter(names.values())
        names = {name: longer(name) if counts[shown] > 1 else shown for name, shown in names.items()}
    counts = Counter(names.values())
    return {name: f"{shown} ({files[name]})" if counts[shown] > 1 else shown for name, shown in names.items()}


def _shown(text: str) -> str:
    return presentable(unicodedata.normalize("NFC", text))


def _with_folder(name: str) -> str:
    path = PurePosixPath(name)
    return _shown(str(path.with_name(stem_of(path))))


def _stem(name: str) -> str:
    return without_suffix(PurePosixPath(name))


def _is_exact(name: str, wanted: str) -> bool:
    return name in (wanted, f"{wanted}{MODEL_SUFFIX}")


def _says_too_little(name: str) -> bool:
    """Whether a name has no characters that an id can have, or undecodable bytes, so that ids would be
    alike.
    """
    stem = _stem(name)
    return not any(map(_is_kept, stem)) or any(unicodedata.category(sign) == "Cs" for sign in stem)


def _is_kept(sign: str) -> bool:
    if sign.isascii():
        return _KEPT.match(sign) is not None
    return (
        unicodedata.category(sign).startswith(_KEPT_CLASSES) or _SKIN_TONES.match(sign) is not None
    ) and not _is_invisible(sign)


def _is_invisible(sign: str) -> bool:
    """Whether a character is invisible: formatting, control characters except blanks, some marks."""
    if sign in "\t\n\r":
        return False
    return unicodedata.category(sign) in ("Cf", "Cc") or _INVISIBLE.match(sign) is not None
