"""Finds the file of a model in a repository of Hugging Face or a mirror by its quantization. Any thread;
blocks.

Only the site of the repository is asked.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from tray_app.download.address import HUGGING_FACE, Repository, read_address
from tray_app.download.file_names import names_a_model
from tray_app.download.response_body import pieces_of
from tray_app.download.session import Session
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TIMEOUT_S = (10.0, 30.0)
_LONGEST_LIST_BYTES = 16 << 20
"""The largest repositories have about 100,000 files, each of which takes a line."""
_LONGEST_LIST_S = 60.0
LONGEST_PATH = 500
"""In characters; files with longer paths are ignored."""
_LONGEST_LABEL = 60
"""The number of characters at the end of a name that are searched for the quantization."""
_MOST_NAMED = 40
"""The most names that are listed in a message."""

_SPLIT = re.compile(r"-(\d{5})-of-\d{5}$")
_QUANTIZATION = re.compile(r"(?:^|[-._/])((?:UD-)?(?:I?Q|TQ|BF|F|FP|MXFP|NVFP)\d\w*)$", re.IGNORECASE)
_NO_MODEL = ("mmproj", "imatrix")
"""Words in the names of files that are not models themselves."""


class _File(msgspec.Struct, gc=False):
    rfilename: str


class _Listing(msgspec.Struct):
    """The used properties in Hugging Face's answer to `/api/models/…`."""

    siblings: tuple[_File, ...]


def address_of_file(
    text: str, session_factory: Callable[[], Session] = Session, endpoint: str = HUGGING_FACE
) -> str:
    """`text` itself if it names a file; the URL of the file that is meant if it names a repository.

    `DownloadError` if it is not a URL, there is no answer, or it is not clear which file is meant; then its
    message lists the files.
    """
    found = read_address(text, endpoint)
    if not isinstance(found, Repository):
        return text
    with session_factory() as session:
        return found.address(choose_file(found, _paths(session, found)))


def choose_file(repository: Repository, paths: Iterable[str]) -> str:
    """The only one of a repository's files that fits. `DownloadError`, which lists the files, if there is not
    exactly one.
    """
    models = [path for path in paths if is_model_file(path) and path.startswith(repository.prefix)]
    if not models:
        raise DownloadError(
            ErrorCode.REPOSITORY_WITHOUT_MODELS,
            phrase("There is no GGUF model in {repository}", repository=repository.name),
            "This app uses models in the GGUF format.",
            "On Hugging Face, look for a repository of this model with GGUF in its name.",
        )
    fitting = [path for path in models if _fits(path, repository.tag)]
    exact = [path for path in fitting if quantization_of(path).upper() == repository.tag.upper()]
    for candidates in (fitting, exact):
        if len(candidates) == 1:
            return candidates[0]
    raise _unclear(repository, fitting or models, known=bool(fitting))


def _paths(session: Session, repository: Repository) -> list[str]:
    url = f"{repository.site}/api/models/{quote(repository.name)}"
    if repository.revision != "main":
        url += f"/revision/{quote(repository.revision, safe='')}"
    with closing(session.get_hops(url, {}, _TIMEOUT_S)[-1]) as answer:
        content = b"".join(pieces_of(answer, _LONGEST_LIST_BYTES, _LONGEST_LIST_S))
    try:
        files = msgspec.json.decode(content, type=_Listing).siblings
        return [file.rfilename for file in files if len(file.rfilename) <= LONGEST_PATH]
    except NOT_JSON as exc:
        raise not_listed(repository) from exc


def not_listed(repository: Repository) -> DownloadError:
    """The error for an answer that is not a list of a repository's files."""
    return DownloadError(
        ErrorCode.REPOSITORY_NOT_LISTED,
        phrase("The files of {repository} could not be listed", repository=repository.name),
        phrase("{site} did not send a list of files.", site=repository.site),
        "Enter the URL of the file itself.",
    )


def is_model_file(path: str) -> bool:
    """Whether a file of a repository is a model, or the first file of a split one."""
    name = path.rpartition("/")[2].lower()
    split = _SPLIT.search(_stem(name))
    goes_with_one = any(word in name for word in _NO_MODEL)
    return names_a_model(name) and not goes_with_one and (split is None or int(split[1]) == 1)


def _fits(path: str, tag: str) -> bool:
    """Whether a file matches a tag: by the end of its name, by its folder, or by its whole name."""
    if not tag:
        return True
    folder, _, name = path.rpartition("/")
    if names_a_model(tag):
        return name.lower() == tag.lower()
    wanted = f"_{_plain(tag)}"
    return any(f"_{_plain(text)}".endswith(wanted) for text in (_SPLIT.sub("", _stem(name)), folder))


def quantization_of(path: str) -> str:
    """The quantization in the name of a file, or else of its folder; empty if there is none."""
    folder, _, name = path.rpartition("/")
    for text in (_SPLIT.sub("", _stem(name)), folder):
        if found := _QUANTIZATION.search(text[-_LONGEST_LABEL:]):
            return found[1]
    return ""


def _stem(name: str) -> str:
    return re.sub(r"\.gguf$", "", name, flags=re.IGNORECASE)


def _plain(text: str) -> str:
    return re.sub(r"[-./]", "_", text).upper()


def _unclear(repository: Repository, models: list[str], *, known: bool) -> DownloadError:
    labels = [quantization_of(path) for path in models]
    if not all(labels) or len(set(labels)) < len(labels):
        labels = [path.rpartition("/")[2] for path in models]
    named = ", ".join(labels[:_MOST_NAMED]) + (", …" if len(labels) > _MOST_NAMED else "")
    if known:
        code = ErrorCode.REPOSITORY_TAG_AMBIGUOUS
        title = phrase("{repository} has several models", repository=repository.name)
    else:
        code = ErrorCode.REPOSITORY_LACKS_TAG
        title = phrase("{repository} has no {tag}", repository=repository.name, tag=repository.tag)
    return DownloadError(
        code,
        title,
        phrase("It contains: {names}.", names=named),
        phrase("Choose one of them: {example}", example=f"hf.co/{repository.name}:{labels[0]}"),
    )
