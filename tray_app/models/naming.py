"""Which installed model an app means by the name in its request. Pure.

Names in settings and commands, which may also be paths, are resolved by `references.py`.
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
"""How many of the models that a name may mean are listed in an error."""
_LONGEST = 4096
"""In characters. Paths are not longer on present systems, and comparing megabytes of text would take long."""


class AmbiguousError(ModelError):
    """A name that several models have, or several unfinished downloads."""

    def __init__(self, reference: str, names: Sequence[Text], hint: Text) -> None:
        super().__init__(
            ErrorCode.MODEL_AMBIGUOUS,
            phrase("Several models are called {reference}", reference=reference),
            phrase("{models}.", models=joined(", ", names[:_MOST_NAMED])),
            hint,
        )


class ModelNames:
    """Every name of the installed models. Immutable, so any thread may use it.

    `files`: by id, each model's file below the models folder, with "/" between the parts. `aliases`: model
    ids by other names; the models need not be installed.
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
        self._meant.pop("", None)  # from a file whose name is a single blank

    def resolve(self, asked: str) -> str | None:
        """The id of the installed model with this name; None if there is none.

        An exact id goes first. Otherwise upper and lower case are equal, and so are ":" and "-", and the
        order is: ids, paths of files below the folder, names of files, aliases. So the name of an installed
        model never means another one. `AmbiguousError`, which names the ids, if several models match equally
        well.
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
        """The same models with these aliases; this object if it already has them."""
        return self if aliases == self.aliases else ModelNames(self.files, aliases)

    def _ways(self) -> Iterator[Iterable[tuple[str, str]]]:
        """The kinds of names in order of precedence, each as pairs of a name and a model id."""
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
    """The file's names, and the id that it would have, and may have had, without other files of its name."""
    yield from (path.name, without_suffix(path), stem_of(path))
    if (usual := plain_id(path.name, ())) != NAMELESS:
        yield usual


def _compared(name: str) -> str:
    """A form that is equal for names of the same model; "-" replaces ":", which AI Kit uses as a
    separator.
    """
    return same_name(name).replace(":", "-")
