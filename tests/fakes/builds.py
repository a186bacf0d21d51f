"""Builds of engines as if they were installed and proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray_app.engine.builds.build import BackEnd, InstalledBuild, SetAside, Verdict, WeightKind
from tray_app.engine.engine_kind import EngineKind

if TYPE_CHECKING:
    from tray_app.engine.builds.store import EngineStore
    from tray_app.errors import EngineError

PROVEN = dict.fromkeys(WeightKind, Verdict(works=True))


def make_build(
    back_end: BackEnd, kind: EngineKind = EngineKind.LLAMA_SERVER, **changes: Any
) -> InstalledBuild:
    """A build that computes with all kinds of weights."""
    values: dict[str, Any] = {
        "id": f"b11194-{back_end}",
        "kind": kind,
        "back_end": back_end,
        "release": "b11194",
        "program": Path(f"/opt/{back_end}/llama-server"),
        "size_bytes": 1 << 20,
        "source": "https://example.org/build.zip",
        "sha256": "0" * 64,
        "verdicts": PROVEN,
    } | changes
    return InstalledBuild(**values)


def install(
    store: EngineStore,
    build_id: str = "b1-cuda",
    back_end: BackEnd = BackEnd.CUDA,
    *,
    text: str = "program",
    **others: Any,
) -> InstalledBuild:
    """A build with a program and a library, put into a store as an installation does it."""
    with store.new_folder() as folder:
        staging = folder / "unpacked"
        (staging / "bin").mkdir(parents=True)
        program = staging / "bin" / "llama-server"
        program.write_text(text)
        program.chmod(0o700)
        (staging / "bin" / "libggml.so").write_text("library")
        return store.add(staging, make_build(back_end, id=build_id, program=program, **others))


@dataclass
class FakeBuilds:
    """What `EngineStore` would tell."""

    there: tuple[InstalledBuild, ...] = ()
    aside: list[SetAside] = field(default_factory=list)
    changed_ones: dict[str, EngineError] = field(default_factory=dict)
    """By id, the errors about those whose files have changed."""
    served_ones: list[str] = field(default_factory=list)
    locked: EngineError | None = None
    """Why nothing can be noted now."""
    unreadable: EngineError | None = None

    def installed(self) -> tuple[InstalledBuild, ...]:
        if self.unreadable:
            raise self.unreadable
        return self.there

    def set_asides(self) -> tuple[SetAside, ...]:
        return tuple(self.aside)

    def check_unchanged(self, build: InstalledBuild) -> None:
        if build.id in self.changed_ones:
            raise self.changed_ones[build.id]

    def set_aside(self, build_id: str, model_id: str, reason: str) -> None:
        if self.locked:
            raise self.locked
        self.aside.append(SetAside(build_id, model_id, reason))

    def allow_again(self, build_id: str, model_id: str | None = None) -> None:
        self.aside = [
            each
            for each in self.aside
            if each.build_id != build_id or (model_id is not None and each.model_id != model_id)
        ]

    def served(self, build_id: str) -> None:
        self.served_ones.append(build_id)
