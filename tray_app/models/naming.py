"""Which installed model a program means by the name in its request. Pure.

What a person names in a setting or a command is found by `library.py`: that may also be a path.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from tray_app.download.file_names import MODEL_SUFFIX
from tray_app.errors import ErrorCode, ModelError
from tray_app.models.model_files import stem_of, without_suffix
from tray_app.models.model_names import NAMELESS, plain_id
from tray_app.phrases import joined, phrase
from tray_app.settings.aliases import same_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tray_app.phrases import Text

_MOST_NAMED = 5
"""Of the models that a name may mean, so many are listed."""
_LONGEST = 4096
"""No file's path is longer on the systems of today, and to compare a text of megabytes would take long."""


class AmbiguousError(ModelError):
    """A reference that several models have, or several unfinished downloads."""

    def __init__(self, reference: str, names: Sequence[Text], hint: Text) -> None:
        super().__init__(
            ErrorCode.MODEL_AMBIGUOUS,
            phrase("Several models are called {reference}", reference=reference),
            phrase("{models}.", models=joined(", ", names[:_MOST_NAMED])),
            hint,
        )


class ModelNames:
    """Every name of the installed models. It never changes, so that any thread may ask.

    `files` has by each id the model's file as it is called below the models folder, with "/" between the
    parts. `aliases` has by other names the ids of models, which need not be installed.
    """

    def __init__(self, files: Mapping[str, str], aliases: Mapping[str, str]) -> None:
        self.files: Mapping[str, str] = MappingProxyType(dict(files))
        self.aliases: Mapping[str, str] = MappingProxyType(dict(aliases))
        self._meant: dict[str, tuple[str, ...]] = {}
        for way in self._ways():
            claims: dict[str, dict[str, None]] = defaultdict(dict)
            for name, model_id in way:
                claims[_compared(name)][model_id] = None
            self._meant = {name: tuple(ids) for name, ids in claims.items()} | self._meant
        self._meant.pop("", None)  # a file may be called by a blank alone

    def resolve(self, asked: str) -> str | None:
        """The id of the installed model that has this name; None if none has.

        An id that fits exactly goes first. Then small and capital letters are alike, and so are ":" and "-";
        an id goes before the path of a file below the folder, that before its name alone, that before an
        alias: a name that is an installed model's always means that one. `AmbiguousError` if the nearest of
        these is that of several models: it names their ids.
        """
        if asked in self.files:
            return asked
        if len(asked) > _LONGEST:
            return None
        ids = self._meant.get(_compared(asked), ())
        if len(ids) > 1:
            raise AmbiguousError(asked, ids, "Choose one of them by its ID.")
        return next(iter(ids), None)

    def with_aliases(self, aliases: Mapping[str, str]) -> ModelNames:
        """The same models with these other names; itself if it has them already."""
        return self if aliases == self.aliases else ModelNames(self.files, aliases)

    def _ways(self) -> Iterator[Iterable[tuple[str, str]]]:
        """The ways to call a model, each as pairs of a name and an id, the nearest first."""
        called = {name: model_id for name, model_id in self.aliases.items() if model_id in self.files}
        paths = {model_id: PurePosixPath(file) for model_id, file in self.files.items()}
        yield [(model_id, model_id) for model_id in self.files]
        yield [(name, model_id) for model_id, path in paths.items() for name in _below_folder(path)]
        yield [(name, model_id) for model_id, path in paths.items() for name in _alone(path)]
        yield called.items()
        yield [(f"{model_id}{MODEL_SUFFIX}", model_id) for model_id in self.files]
        yield [(f"{name}{MODEL_SUFFIX}", model_id) for name, model_id in called.items()]


def _below_folder(path: PurePosixPath) -> Iterator[str]:
    folder = str(path)[: -len(path.name)]
    return (f"{folder}{name}" for name in (path.name, without_suffix(path), stem_of(path)))


def _alone(path: PurePosixPath) -> Iterator[str]:
    """Also the id that the file would have without others of its name: it had that before they came."""
    yield from (path.name, without_suffix(path), stem_of(path))
    if (usual := plain_id(path.name, ())) != NAMELESS:
        yield usual


def _compared(name: str) -> str:
    """Equal for two names of the same model; AI Kit separates with ":", and so has "-" in its place."""
    return same_name(name).replace(":", "-")
