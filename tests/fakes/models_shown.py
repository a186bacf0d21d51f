"""Values of searches, of other apps and of disks, as the window shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.app import make_engine, make_model
from tray_app.app.discovery import OfferedModel, RepositoryReport
from tray_app.download.address import Repository
from tray_app.engine.report import ModelReport
from tray_app.models.best_file import JudgedQuantization, best_file
from tray_app.models.disk_use import DiskUse, ModelSpace
from tray_app.models.found.found_model import FoundModel, OtherApp
from tray_app.models.hub import HubFile, HubFiles, HubModel, HubQuantization, SearchPage
from tray_app.models.memory import ContextConfig, MemoryBudget, judge
from tray_app.models.model_files import Partial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fakes.app import FakeApp
    from tray_app.models.model import Model
    from tray_app.models.model_files import Partial as PartialFile

WORDS = "qwen3"
REPOSITORY = "owner/Qwen3-8B-GGUF"
FOLDER = Path("/home/maria/.local/share/powerinfer-tray/models")
NOW_S = 1_795_900_000.0
_MONTHS_S = 200 * 24 * 60 * 60.0
_SIZES = {
    "Q2_K": 3_280_000_000,
    "Q4_0": 4_770_000_000,
    "Q4_K_M": 5_030_000_000,
    "Q6_K": 6_730_000_000,
    "Q8_0": 8_710_000_000,
    "F16": 16_400_000_000,
}

FOUND = SearchPage(
    (
        HubModel(
            "Qwen/Qwen3-Embedding-0.6B-GGUF",
            downloads=1_234_567,
            likes=812,
            modified="2026-06-21",
            license="apache-2.0",
            languages=("en", "zh", "fr", "de", "ja"),
            parameters=596_000_000,
            task="feature-extraction",
        ),
        HubModel(
            REPOSITORY,
            downloads=345_678,
            likes=301,
            modified="2026-10-02",
            license="apache-2.0",
            parameters=8_190_000_000,
            task="text-generation",
        ),
        HubModel(
            "google/gemma-3-4b-it-qat-q4_0-gguf",
            downloads=98_765,
            gated=True,
            license="gemma",
            task="image-text-to-text",
        ),
        HubModel("someone/a-very-long-name-of-a-repository-that-nobody-would-ever-type-by-hand-GGUF"),
    ),
    next="cursor=2",
)
MORE = SearchPage((HubModel("someone/Qwen3-1.7B-GGUF", downloads=12),))

OTHER_APPS = (
    FoundModel(
        OtherApp.OLLAMA,
        "qwen3:8b",
        Path(f"/home/maria/.ollama/models/blobs/sha256-{'a3de' * 16}"),
        5_200_000_000,
    ),
    FoundModel(
        OtherApp.LM_STUDIO,
        "gemma-3-4b-it-Q4_K_M",
        Path("/home/maria/.lmstudio/models/lmstudio-community/gemma-3-4b-it-GGUF/gemma-3-4b-it-Q4_K_M.gguf"),
        2_490_000_000,
    ),
    FoundModel(
        OtherApp.JAN,
        "Jan-v1-4B-Q4_K_M",
        Path("/home/maria/.local/share/Jan/data/llamacpp/models/janhq/Jan-v1-4B-Q4_K_M/model.gguf"),
        2_500_000_000,
    ),
)


NAMES = frozenset(
    {*_SIZES, *(each.repository for each in (*FOUND.repositories, *MORE.repositories))}
    | {text for each in OTHER_APPS for text in (each.name, str(each.app))}
    | {"mmproj-Qwen3-8B.gguf", REPOSITORY}
)
"""What publishers and other apps call things: the same in every language."""


def make_repository_report(name: str = REPOSITORY, *, with_projector: bool = True) -> RepositoryReport:
    """A model in six quantizations on a machine with 12 GiB, and a projector."""
    quantizations = tuple(
        HubQuantization((HubFile(f"Qwen3-8B-{label}.gguf", size_bytes),))
        for label, size_bytes in _SIZES.items()
    )
    header = replace(make_model(sparse=False).header, parameters=8_190_000_000)
    engine = make_engine()
    reports = [
        ModelReport(
            replace(make_model(sparse=False), size_bytes=each.size_bytes),
            engine.kind,
            engine,
            None,
            judge(header, each.size_bytes, ContextConfig(2048, 512), MemoryBudget(12 << 30)),
        )
        for each in quantizations
    ]
    judged = [
        JudgedQuantization(each, report.verdict.fit)
        for each, report in zip(quantizations, reports, strict=True)
    ]
    model = OfferedModel(quantizations, tuple(reports), best_file(judged, header))
    projectors = (HubFile("mmproj-Qwen3-8B.gguf", 600_000_000),) if with_projector else ()
    return RepositoryReport(
        HubFiles(Repository("https://huggingface.co", name), quantizations, projectors), (model,)
    )


def many_models(count: int) -> tuple[Model, ...]:
    """So many installed models."""
    return tuple(make_model(f"Model {number} 7B", f"{number}.gguf") for number in range(count))


def make_space(name: str, held_bytes: int, *, unused: bool = False, app: str = "") -> ModelSpace:
    """What a model takes; one that is unused was last loaded months ago."""
    model_id = name.lower().replace(" ", "-")
    used_s = NOW_S - (_MONTHS_S if unused else 0)
    return ModelSpace(model_id, name, FOLDER / f"{model_id}.gguf", held_bytes, app, used_s, used_s, unused)


def make_disk_use(
    models: Sequence[ModelSpace] | None = None, partials: tuple[PartialFile, ...] | None = None
) -> DiskUse:
    """A disk with models of this app, one of another, and what a download has left."""
    if models is None:
        models = (
            make_space("Qwen3 8B Q4_K_M", 5_030_000_000),
            make_space("Bamboo 7B Q4_0", 4_680_000_000, unused=True),
            make_space("gemma-3-4b-it", 2_490_000_000, app="LM Studio"),
            make_space("BGE-M3 Q8_0", 635_000_000, unused=True),
        )
    if partials is None:
        partials = (Partial(FOLDER / "tiny.gguf.part", FOLDER / "tiny.gguf", 310_000_000),)
    total = sum(each.held_bytes for each in models if not each.app)
    return DiskUse(tuple(models), 0, partials, total + sum(each.held_bytes for each in partials), 212 << 30)


def fill(fake: FakeApp) -> None:
    """Put all of it into an app."""
    fake.discovery.pages |= {WORDS: FOUND, FOUND.next: MORE}
    fake.discovery.reports |= {REPOSITORY: make_repository_report()}
    fake.upkeep.there = OTHER_APPS
    fake.upkeep.use = make_disk_use()
