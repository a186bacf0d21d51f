"""Tests whether a build of an engine computes right on this machine, before it is used.

It is asked for its version and its cards. Then it makes vectors with a tiny model of each kind of weights, in
a separate run for each: there are engines that are right with one kind and crash with another. Any thread;
takes seconds, or minutes if a card's driver has to compile its programs first.
"""

from __future__ import annotations

import logging
import math
import re
import shutil
import string
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from tray_app.engine.builds.build import BackEnd, Verdict, WeightKind
from tray_app.engine.builds.trial_run import TrialRun
from tray_app.engine.diagnosis import failure_to_start
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.finding import EngineFinder
from tray_app.engine.inspection import crash, inspect
from tray_app.engine.launch_dir import prepare
from tray_app.engine.launch_plan import plan_launch
from tray_app.engine.run import HealthCheckTimeouts
from tray_app.errors import EngineError, ErrorCode
from tray_app.models.gguf import read_header
from tray_app.models.model import Model
from tray_app.phrases import phrase
from tray_app.settings.schema import Settings
from tray_app.system.launcher import launcher_for
from tray_app.system.paths import resources
from tray_app.system.process import ask
from tray_app.system.runfolder import RunFolder

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from tray_app.engine.devices import EngineDevice
    from tray_app.engine.launch_plan import LaunchPlan
    from tray_app.engine.program import Engine
    from tray_app.system.child import Launcher
    from tray_app.system.host import Host

_log = logging.getLogger(__name__)

LEAST_COSINE = 0.999
"""The least cosine between a vector and the expected one. Right engines, which round differently, reached at
least 0.9998; a single wrong row of one matrix gives 0.998."""

_VECTORS = "vectors.json"
_FIRST_ANSWER_S = 60.0
"""For the first start of a program: a virus scanner may read half a gigabyte of libraries first."""
_LONGEST_S = 900.0
"""For one kind of weights. At the first start, a card's driver was measured to compile for ten minutes, and
Mesa's Vulkan on two cores for three."""
_VERSION = re.compile(r"^version: (\S.*)$", re.MULTILINE)
_BY_DEVICE = {
    "CUDA": BackEnd.CUDA,
    "ROCm": BackEnd.ROCM,
    "Vulkan": BackEnd.VULKAN,
    "MTL": BackEnd.METAL,
    "Metal": BackEnd.METAL,
}
"""By the names of cards, as llama.cpp lists them, without their numbers."""
_BY_LIBRARY = {
    "ggml-cuda": BackEnd.CUDA,
    "ggml-hip": BackEnd.ROCM,
    "ggml-vulkan": BackEnd.VULKAN,
    "ggml-metal": BackEnd.METAL,
}
_ON_CARD = (("--n-gpu-layers", "99"), ("--verbosity", "4"))
"""Without the first, older engines compute on the processor; without the second, newer ones do not say where
they compute. Nothing would be known of the card."""
_TIMED_TEXTS = 12
_TIMED_ROUNDS = 12
SAYS_NOTHING = frozenset({ErrorCode.CALLED_OFF, ErrorCode.SYSTEM_RESOURCES_EXHAUSTED})
"""Errors that end a test without telling whether the engine computes right."""


class _Expected(msgspec.Struct):
    """The file beside the models: texts and, for each kind of weights and pooling, the vector of each."""

    texts: list[str]
    vectors: dict[WeightKind, dict[str, list[list[float]]]]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found out about a build."""

    kind: EngineKind
    back_end: BackEnd
    version: str
    """As the program says, such as “11194 (9f70b2cec)”; empty if it does not say."""
    devices: tuple[EngineDevice, ...]
    """The cards that it lists."""
    verdicts: dict[WeightKind, Verdict]
    speed: float | None
    """How many times as fast as the built-in engine it was on this processor, the median of all kinds of
    weights; None if it computes with a card, or nothing could be compared."""

    @property
    def works_with_all(self) -> bool:
        """Whether it computes right with every kind of weights."""
        return all(verdict.works for verdict in self.verdicts.values())


@dataclass(frozen=True, slots=True)
class Prover:
    """How builds are proven on a machine."""

    host: Host
    launcher: Launcher
    timeouts: HealthCheckTimeouts = HealthCheckTimeouts()  # noqa: RUF009  immutable
    longest_s: float = _LONGEST_S
    """For one kind of weights."""

    @classmethod
    def on(cls, host: Host) -> Prover:
        """The one for this machine."""
        return cls(host, launcher_for(host.system))

    def prove(
        self,
        program: Path,
        back_end: BackEnd | None,
        cancelled: threading.Event,
        tell: Callable[[WeightKind], object],
    ) -> Proof:
        """What a program can do here. `tell` gets each kind of weights before it is tested.

        `back_end`: what it is published for; None if nobody says. `EngineError` if it is no engine, cannot be
        started, finds no card though it was built for one, or computes right with no kind of weights; with a
        code in `SAYS_NOTHING` when `cancelled` is set, or the system is short of memory or processes.
        """
        inspect(program, self.host)
        version = _version_of(program)
        engine = EngineFinder(self.host).probe(program)
        devices = engine.devices or ()
        back_end = back_end or back_end_of(program, devices)
        if back_end.uses_card and engine.devices is not None and not devices:
            raise _without_card(program, back_end)
        verdicts: dict[WeightKind, Verdict] = {}
        speeds: list[float] = []
        for weights in WeightKind:
            tell(weights)
            trial = _Trial(self, engine, back_end, weights, cancelled)
            verdicts[weights] = trial.run()
            speeds += trial.speeds
            if engine.kind is EngineKind.POWERINFER:  # it tells its cards only when it runs
                devices = devices or trial.devices
        if not any(verdict.works for verdict in verdicts.values()):
            raise _useless(program, verdicts)
        if devices and engine.kind is EngineKind.POWERINFER:
            back_end = BackEnd.CUDA
        return Proof(engine.kind, back_end, version, devices, verdicts, median(speeds) if speeds else None)


@dataclass(slots=True)
class _Trial:
    """An engine tried with one kind of weights."""

    prover: Prover
    engine: Engine
    back_end: BackEnd
    weights: WeightKind
    cancelled: threading.Event
    speeds: list[float] = field(default_factory=list)
    devices: tuple[EngineDevice, ...] = ()

    def run(self) -> Verdict:
        """Whether it computes right. `EngineError` only with a code in `SAYS_NOTHING`."""
        expected = _expected()
        pooling = "last" if self.engine.kind is EngineKind.POWERINFER else "mean"
        try:
            with self._serving(self.engine) as serving:
                vectors = serving.embed(expected.texts)
                self.devices = serving.devices
                right = expected.vectors[self.weights][pooling]
                likeness = [cosine(*pair) for pair in zip(vectors, right, strict=False)]
                if len(vectors) < len(right) or not all(each >= LEAST_COSINE for each in likeness):
                    return Verdict(works=False, reason=_wrong(likeness))
                if self.back_end.uses_card and serving.is_off(self.engine.devices or ()):
                    return Verdict(works=False, reason="It computes on the processor, not on the card.")
                self._compare(serving)
        except EngineError as exc:
            if exc.code in SAYS_NOTHING:
                raise
            _log.info("%s does not work with %s: %s", self.engine.command[0], self.weights, exc)
            return Verdict(works=False, reason=_reason(exc))
        return Verdict(works=True)

    def _compare(self, serving: TrialRun) -> None:
        """Note how fast the engine is compared with the built-in one; nothing if that cannot be run.

        By the processor time of both, with as many threads. On a busy machine, that was measured to vary by a
        quarter, and the elapsed time tenfold.
        """
        builtin = EngineFinder(self.prover.host).embedded()
        if builtin is None or self.back_end.uses_card or self.engine.kind is not EngineKind.LLAMA_SERVER:
            return
        texts = _expected().texts[-1:] * _TIMED_TEXTS
        own_s = others_s = 0.0
        with ExitStack() as stack:
            try:
                other = stack.enter_context(self._serving(builtin))
                for _ in range(_TIMED_ROUNDS):  # in turns, as the machine may have other work for a while
                    others_s += other.took_s(texts)
                    own_s += serving.took_s(texts)
            except EngineError as exc:
                if serving.ended or exc.code is ErrorCode.CALLED_OFF:
                    raise
                _log.info("The built-in engine cannot be compared with: %s", exc)
                return
        if own_s and others_s:
            self.speeds.append(others_s / own_s)

    @contextmanager
    def _serving(self, engine: Engine) -> Iterator[TrialRun]:
        """The engine while it serves the model of these weights. `EngineError` if it does not get there."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            # A copy: PowerInfer on Windows may need a link beside its model, where nobody may write.
            path = Path(name).absolute() / "model.gguf"
            shutil.copyfile(_folder() / f"proof-{self.weights}.gguf", path)
            plan = self._plan(engine, path)
            folder = Path(name) / "run"
            folder.mkdir()
            cwd = prepare(plan.launch_dir, path, RunFolder(folder))
            serving = TrialRun(
                plan,
                self.prover.launcher,
                cwd,
                self.cancelled,
                timeouts=self.prover.timeouts,
                longest_s=self.prover.longest_s,
            )
            try:
                serving.start()
                yield serving
            finally:
                serving.stop()

    def _plan(self, engine: Engine, path: Path) -> LaunchPlan:
        """As it would serve any model, with all of it on the card if it computes with one."""
        wanted = _ON_CARD if self.back_end.uses_card else ()
        extra = tuple(chain.from_iterable(each for each in wanted if each[0] in engine.flags))
        model = Model("proof", "proof", path, path.stat().st_size, read_header(path))
        return plan_launch(Settings(pooling="mean", extra_arguments=extra), model, engine, self.prover.host)


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of two vectors, from -1 to 1; NaN if their lengths differ or one has only zeros or a NaN."""
    if len(one) != len(other):
        return math.nan
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.hypot(*one) * math.hypot(*other)
    return product / lengths if lengths else math.nan


def back_end_of(program: Path, devices: Sequence[EngineDevice]) -> BackEnd:
    """What a program computes with, by the cards that it lists, else by the libraries beside it."""
    ids = [each.id.rstrip(string.digits) for each in devices]
    names = [path.name for path in program.parent.iterdir()]
    listed = (_BY_DEVICE[each] for each in ids if each in _BY_DEVICE)
    beside = (back_end for part, back_end in _BY_LIBRARY.items() if any(part in name for name in names))
    return next(chain(listed, beside), BackEnd.CPU)


@cache
def _expected() -> _Expected:
    return msgspec.json.decode((_folder() / _VECTORS).read_bytes(), type=_Expected)


def _folder() -> Path:
    return resources() / "proof-models"


def _version_of(program: Path) -> str:
    """What it says of its version; empty if it does not know the question. `EngineError` if it cannot run."""
    try:
        answer = ask((str(program), "--version"), _FIRST_ANSWER_S)
    except subprocess.TimeoutExpired:
        return ""  # it is asked for its help next, and its error is that of any program
    except OSError as exc:
        raise failure_to_start(exc).error from exc
    if reason := crash(program, answer):
        raise reason
    found = _VERSION.search(answer.text)
    return found[1] if found else ""


def _reason(error: EngineError) -> str:
    """Why it does not work, in a line; without the hint that the model may be damaged, as these are not."""
    if error.code is ErrorCode.ENGINE_CRASHED:
        return f"{error.title}: {error.message.partition('. ')[0]}."
    # The last line may tell more, but only where nothing but the end itself is known.
    unclear = error.code in (ErrorCode.ENGINE_ENDED, ErrorCode.ENGINE_ABORTED)
    said = error.evidence[-1] if unclear and error.evidence else ""
    return f"{error.title}: {error.message} {said}".rstrip()


def _wrong(likeness: Sequence[float]) -> str:
    said = ", ".join(f"{each:.3f}" for each in likeness) or "none"
    return f"It computes wrong vectors: their likeness to right ones is {said}, and should be 1."


def _without_card(program: Path, back_end: BackEnd) -> EngineError:
    driver = {
        BackEnd.CUDA: phrase("Install or update the NVIDIA driver, or choose an engine for the processor."),
        BackEnd.ROCM: phrase("Install the AMD driver, or choose an engine for the processor."),
    }.get(
        back_end,
        phrase("Install the driver from the card's manufacturer, or choose an engine for the processor."),
    )
    return EngineError(
        ErrorCode.ENGINE_WITHOUT_CARD,
        phrase("{name} did not find a graphics card", name=program.name),
        phrase(
            "It needs a graphics card that works with {back_end}. There is none, or its driver "
            "is missing or too old.",
            back_end=back_end.label,
        ),
        driver,
    )


def _useless(program: Path, verdicts: dict[WeightKind, Verdict]) -> EngineError:
    return EngineError(
        ErrorCode.ENGINE_PROOF_FAILED,
        phrase("{name} gives wrong results on this computer", name=program.name),
        next(iter(verdicts.values())).reason,
        "Choose another engine. The built-in one still works.",
        evidence=tuple(f"{kind}: {verdict.reason}" for kind, verdict in verdicts.items()),
    )
