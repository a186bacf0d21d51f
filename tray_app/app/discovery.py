"""Finds models on Hugging Face, or on the mirror in the settings, and judges them. Any thread.

Everything here asks the network and may take long; a thread that draws windows must not call it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tray_app.download.address import Repository, is_address, read_address
from tray_app.download.file_names import safe_name
from tray_app.download.repository import address_of_file, choose_file
from tray_app.download.source import parse_source
from tray_app.engine.report import Reporter
from tray_app.errors import DownloadError, ErrorCode, ModelError
from tray_app.models import hub
from tray_app.models.best_file import JudgedQuantization, best_file
from tray_app.models.memory import GIB
from tray_app.models.model import Model
from tray_app.models.model_names import plain_id
from tray_app.models.projectors import name_beside, projector_to_fetch
from tray_app.models.remote_header import fetch_remote_header
from tray_app.phrases import phrase, presentable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tray_app.download.session import Session
    from tray_app.engine.finding import EngineFinder
    from tray_app.engine.report import ModelReport
    from tray_app.errors import AppError
    from tray_app.models.best_file import BestFile
    from tray_app.models.header import ModelHeader
    from tray_app.models.hub import HubFile, HubFiles, HubQuantization, SearchPage, Sort
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

_MOST_HEADERS = 4
"""A repository with more different models than that is a collection: the others are listed and not judged."""


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model of a repository, in all the ways in which its weights are stored there."""

    quantizations: tuple[HubQuantization, ...]
    """The smallest first."""
    reports: tuple[ModelReport, ...]
    """One for each of them; none if the model's header could not be read."""
    best: BestFile | None
    """The best one for this machine; None if none fits, or the header could not be read."""
    problem: AppError | None = None
    """Why the header could not be read: because the publisher wants terms to be accepted, for example."""


@dataclass(frozen=True, slots=True)
class RepositoryReport:
    """What a repository has, and what of it suits this machine."""

    files: HubFiles
    models: tuple[OfferedModel, ...]
    """As a rule one."""


@dataclass(frozen=True, slots=True)
class Picked:
    """The file that is meant by what a person has typed."""

    address: str
    why: Text = ""
    """Which file was chosen and for what reason, where there was a choice."""
    projector: str = ""
    """The address of what it sees pictures with, if its repository has that."""


class Discovery:
    """`settings` returns the present ones, `session` makes an HTTP session."""

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        session: Callable[[], Session],
        engines: EngineFinder,
        host: Host,
    ) -> None:
        self._settings = settings
        self._session = session
        self._engines = engines
        self._host = host

    def search(self, words: str, *, sort: Sort = hub.Sort.DOWNLOADS, page: str = "") -> SearchPage:
        """See `hub.search`. `DownloadError`."""
        with self._session() as session:
            return hub.search(session, self._settings().hf_endpoint, words, sort=sort, page=page)

    def examine(self, reference: str) -> RepositoryReport:
        """What a repository has (`owner/name`, `hf:…`, or the address of its page), and what of it fits here.

        Of each of its models the header is read of one file: weights that are stored otherwise differ from it
        in nothing but their size. `AppError`.
        """
        text = reference if is_address(reference) else f"hf:{reference}"
        repository = read_address(text, self._settings().hf_endpoint)
        if not isinstance(repository, Repository):
            raise DownloadError(
                ErrorCode.ADDRESS_INVALID,
                "This is not a repository",
                phrase("“{text}” is the address of a file.", text=reference),
                "Enter its owner and name: owner/repository",
            )
        with self._session() as session:
            files = hub.files(session, repository)
        return self._report(files)

    def pick(self, text: str) -> Picked:
        """The file that a person means: in a repository that has one model, the best one for this machine.

        `DownloadError` as `repository.address_of_file`; also if there are several models, or the terms of
        the only one are to be accepted first. `ModelError` if none fits.
        """
        endpoint = self._settings().hf_endpoint
        repository = read_address(text, endpoint)
        if not isinstance(repository, Repository):
            return Picked(address_of_file(text, self._session, endpoint))
        if repository.tag:
            return self._with_tag(text, repository)
        with self._session() as session:
            files = hub.files(session, repository)
        paths = [each.path for each in files.quantizations]
        if len({each.model for each in files.quantizations}) != 1 or len(paths) == 1:
            path = choose_file(files.repository, paths)
            return Picked(files.repository.address(path), projector=_projector(files, path))
        model = self._report(files).models[0]
        if model.problem:
            raise model.problem
        if model.best is None:
            raise _none_fits(files.repository, model)
        path = model.best.quantization.path
        return Picked(files.repository.address(path), _why(model.best, len(paths)), _projector(files, path))

    def _with_tag(self, text: str, repository: Repository) -> Picked:
        """The file of a quantization that a person has named. A site that lists no projectors has none."""
        address = address_of_file(text, self._session, self._settings().hf_endpoint)
        with suppress(DownloadError), self._session() as session:
            files = hub.files(session, replace(repository, tag=""))
            for each in files.quantizations:
                if files.repository.address(each.path) == address:
                    return Picked(address, projector=_projector(files, each.path))
        return Picked(address)

    def fetch(self, text: str) -> Model:
        """What the model that a person means would be once it is downloaded; errors as `pick`."""
        return fetch_remote_header(self.pick(text).address, self._session, self._settings().hf_endpoint)

    def _report(self, files: HubFiles) -> RepositoryReport:
        by_model = sorted(files.quantizations, key=lambda each: each.model)
        groups = [tuple(group) for _, group in groupby(by_model, key=lambda each: each.model)]
        judged = (self._judged(files.repository, group) for group in groups[:_MOST_HEADERS])
        unjudged = (OfferedModel(group, (), None) for group in groups[_MOST_HEADERS:])
        return RepositoryReport(files, (*judged, *unjudged))

    def _judged(self, repository: Repository, group: tuple[HubQuantization, ...]) -> OfferedModel:
        shortest = min(group, key=lambda each: (len(each.files), each.size_bytes))
        try:
            header = fetch_remote_header(
                repository.address(shortest.path), self._session, self._settings().hf_endpoint
            ).header
        except (DownloadError, ModelError) as exc:
            return OfferedModel(group, (), None, exc)
        reports = self._reports(group, header)
        judged = [
            JudgedQuantization(each, report.verdict.fit) for each, report in zip(group, reports, strict=True)
        ]
        return OfferedModel(group, reports, best_file(judged, header))

    def _reports(self, group: Sequence[HubQuantization], header: ModelHeader) -> tuple[ModelReport, ...]:
        reporter, settings = Reporter(self._engines, self._host), self._settings()
        models = (_foreseen(each, header) for each in group)
        return tuple(reporter.report(model, model.settings_in(settings)) for model in models)


def _foreseen(each: HubQuantization, header: ModelHeader) -> Model:
    """What a quantization would be once it is downloaded, by the header of another one."""
    name = safe_name(PurePosixPath(each.path).name)
    stored = each.label.removeprefix("UD-") or header.quantization
    return Model(
        id=plain_id(name, ()),
        name=presentable(Path(name).stem),
        path=Path(name),
        size_bytes=each.size_bytes,
        header=replace(header, quantization=stored),
    )


def projector_of(files: HubFiles, path: str) -> HubFile | None:
    """What the model in a file of a repository sees pictures with; None if nothing, or that is not clear."""
    several = len({each.model for each in files.quantizations}) > 1
    beside = {PurePosixPath(each.path): each for each in files.projectors}
    found = projector_to_fetch(PurePosixPath(path), beside, alone=not several)
    return beside[found] if found else None


def _projector(files: HubFiles, path: str) -> str:
    """The address of `projector_of`; empty if there is none."""
    found = projector_of(files, path)
    return files.repository.address(found.path) if found else ""


def projector_name(projector: str, model: str) -> str:
    """What the projector at an address is to be called beside the model at another one."""
    names = (PurePosixPath(parse_source(each).file_name) for each in (projector, model))
    return name_beside(*names)


def _why(best: BestFile, count: int) -> Text:
    return phrase(
        "{name} ({size:,} bytes) is the best of {count} files for this computer. {reason}",
        count=count,
        name=PurePosixPath(best.quantization.path).name,
        size=best.quantization.size_bytes,
        reason=best.reason,
    )


def _none_fits(repository: Repository, model: OfferedModel) -> ModelError:
    smallest, verdict = model.quantizations[0], model.reports[0].verdict
    return ModelError(
        ErrorCode.MODEL_TOO_LARGE,
        phrase("No file in {repository} fits in this computer's memory", repository=repository.name),
        phrase(
            "The smallest, {name}, needs {need:,.1f} GiB, but only {room:,.1f} GiB can be used.",
            name=PurePosixPath(smallest.path).name,
            need=verdict.estimate.total_bytes / GIB,
            room=verdict.budget.usable_bytes / GIB,
        ),
        phrase(
            "Choose a smaller model, or name the file to download it anyway: {example}",
            example=f"hf:{repository.name}/{smallest.path}",
        ),
    )
