"""The best engine and number of threads: what is tried, what wins, and that the server is left as it was."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.app import FakeApp, make_host, make_model, make_plan
from tests.fakes.errors import coded
from tray_app.app.tuning import (
    EngineMeasurement,
    EngineOption,
    ThreadMeasurement,
    Threads,
    Tuning,
    candidates,
    engine_options,
    threads_of,
    tune,
)
from tray_app.engine.builds.build import BackEnd, InstalledBuild, Verdict, WeightKind
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.ineffective_settings import ONE_THREAD
from tray_app.engine.launch_plan import plan_remote
from tray_app.engine.program import Engine
from tray_app.errors import EngineError, ErrorCode, GatewayError
from tray_app.gateway.public_client import Embeddings
from tray_app.settings.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PRESENT = Threads(generation=4, prompt=4)
BUILT_IN = Engine(EngineKind.LLAMA_CPP, ("/app/powerinfer-tray",), "2026.10")


def build(
    back_end: BackEnd = BackEnd.CPU,
    verdict: Verdict | None = None,
    kind: EngineKind = EngineKind.LLAMA_SERVER,
) -> InstalledBuild:
    verdicts = {WeightKind.Q4_0: verdict or Verdict(works=True)}
    program = Path("/engines") / back_end / "llama-server"
    return InstalledBuild(f"b1-{back_end}", kind, back_end, "b1", program, 1, "", "", verdicts=verdicts)


def engine_of(installed: InstalledBuild) -> Engine:
    return Engine(installed.kind, (str(installed.program),), build=installed)


ENGINES = {
    "llama.cpp": BUILT_IN,
    "llama.cpp-cpu": engine_of(build()),
    "llama.cpp-cuda": engine_of(build(BackEnd.CUDA)),
}
OPTIONS = tuple(EngineOption(setting, "b1") for setting in ENGINES)


def speed(setting: str, embeddings_per_s: float, tokens_per_s: float | None = None) -> EngineMeasurement:
    return EngineMeasurement(EngineOption(setting), embeddings_per_s, tokens_per_s)


class Machine(FakeApp):
    """Embeds faster with more threads up to six of them."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = replace(make_plan(), model=make_model(sparse=False), engine=BUILT_IN)
        self.count = 4
        self.speeds = {"llama.cpp": 1.0}
        """Of the engines, in times of the built-in one."""
        self.broken = ""
        self.fails_with: int | None = None

    def try_settings(self, values: Mapping[str, Any]) -> None:
        super().try_settings(values)
        self.count = values.get("threads", 4)
        self.plan = replace(self.plan, engine=ENGINES[values.get("engine", "llama.cpp")])

    def embed(self, texts: Sequence[str]) -> Embeddings:
        setting = self.plan.engine.name
        if self.count == self.fails_with or setting == self.broken:
            raise GatewayError(ErrorCode.SERVER_UNREACHABLE, "The server did not answer")
        speed = self.speeds.get(setting, 1.0)
        return Embeddings(((1.0,),), 1, len(texts), 600.0 / min(self.count, 6) / speed)

    def complete(self, prompt: str, max_tokens: int, cancelled: threading.Event) -> Iterator[str]:
        assert not cancelled.is_set()
        self.note("complete", prompt, max_tokens)
        yield "too few to measure"

    @property
    def trials(self) -> list[dict[str, Any]]:
        return [call[1] for call in self.calls if call[0] == "try_settings"]

    @property
    def tried(self) -> list[int | None]:
        return [values.get("threads") for values in self.trials]


def sample(threads: int, embeddings_per_s: float, tokens_per_s: float | None = 10.0) -> ThreadMeasurement:
    return ThreadMeasurement(threads, embeddings_per_s, tokens_per_s)


@pytest.mark.parametrize(
    ("physical", "logical", "present", "expected"),
    [
        (4, 8, Threads(4, 4), (2, 3, 4, 6, 8)),
        (8, 8, Threads(8, 8), (4, 6, 8)),
        (16, 32, Threads(16, 16), (8, 12, 16, 24, 32)),
        (2, 2, Threads(2, 2), (1, 2)),
        (1, 1, Threads(1, 1), (1,)),
        (4, 8, Threads(5, 7), (2, 3, 4, 5, 6, 7, 8)),
        (4, 2, Threads(4, 4), (2, 3, 4)),
    ],
)
def test_counts_around_the_physical_cores_are_tried_and_those_of_now(
    physical: int, logical: int, present: Threads, expected: tuple[int, ...]
) -> None:
    host = replace(make_host(), physical_cores=physical, logical_cores=logical)

    assert candidates(host, present) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), Threads(4, 4)),
        (Settings(threads=3), Threads(3, 3)),
        (Settings(threads=3, threads_batch=6), Threads(3, 6)),
        (Settings(threads_batch=6), Threads(4, 6)),
    ],
)
def test_what_is_set_is_known(settings: Settings, expected: Threads) -> None:
    assert threads_of(settings, make_host()) == expected


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ((sample(2, 5), sample(4, 8), sample(8, 9)), Threads(4, 8)),
        ((sample(2, 5), sample(4, 8), sample(8, 8.3)), PRESENT),
        ((sample(2, 9, 20), sample(4, 8), sample(8, 8)), Threads(2, 2)),
        ((sample(2, 9), sample(4, 8), sample(8, 9)), Threads(4, 2)),
        ((sample(2, 5, None), sample(4, 8, None), sample(8, 16, None)), Threads(4, 8)),
    ],
    ids=["faster", "not worth it", "both", "fewer of equals", "writes nothing"],
)
def test_a_winner_must_be_faster_by_a_margin(
    samples: tuple[ThreadMeasurement, ...], expected: Threads
) -> None:
    assert Tuning(PRESENT, samples, complete=True).advice == expected


def test_what_was_broken_off_advises_nothing() -> None:
    tuning = Tuning(PRESENT, (sample(2, 100), sample(4, 1)), complete=False)

    assert tuning.advice == PRESENT


def test_every_candidate_is_measured_and_the_server_left_as_it_was() -> None:
    machine, told = Machine(), []

    tuning = tune(
        machine,
        Settings(),
        machine.host,
        threading.Event(),
        lambda found, total: told.append((len(found.samples), total)),
    )

    assert machine.tried == [2, 3, 4, 6, 8, None]
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    rates = [round(each.embeddings_per_s, 1) for each in tuning.samples]
    assert rates == [3.3, 5.0, 6.7, 10.0, 10.0]
    assert (tuning.complete, tuning.advice.prompt) == (True, 6)


def test_a_measurement_that_is_called_off_leaves_the_server_as_it_was() -> None:
    machine, cancelled = Machine(), threading.Event()

    tuning = tune(machine, Settings(), machine.host, cancelled, lambda *_: cancelled.set())

    assert machine.tried == [2, None]
    assert not tuning.complete


def test_a_server_that_fails_is_left_as_it_was() -> None:
    machine = Machine()
    machine.fails_with = 4

    with pytest.raises(GatewayError):
        tune(machine, Settings(), machine.host, threading.Event(), lambda *_: None)

    assert machine.tried == [2, 3, 4, None]


def test_a_remote_server_is_not_measured() -> None:
    machine = Machine()
    machine.plan = plan_remote(Settings(remote_url="http://box:8000/v1"), "")

    with pytest.raises(EngineError, check=coded(ErrorCode.THREADS_NOT_TUNABLE)):
        tune(machine, Settings(), machine.host, threading.Event(), lambda *_: None)
    assert machine.tried == []


def test_a_sparse_model_is_not_measured_and_its_server_left_alone() -> None:
    machine = Machine()
    machine.plan = make_plan()

    with pytest.raises(EngineError, check=coded(ErrorCode.THREADS_NOT_TUNABLE)) as refused:
        tune(machine, Settings(), machine.host, threading.Event(), lambda *_: None)

    assert refused.value.message == ONE_THREAD
    assert machine.tried == []


def test_a_model_that_only_reads_is_not_asked_to_write() -> None:
    machine = Machine()
    plan = replace(make_plan(), model=make_model(sparse=False))
    header = replace(plan.model.header, architecture="bert")
    machine.plan = replace(plan, model=replace(plan.model, header=header))

    tuning = tune(machine, Settings(), machine.host, threading.Event(), lambda *_: None)

    assert {each.tokens_per_s for each in tuning.samples} == {None}
    assert not [call for call in machine.calls if call[0] == "complete"]


def compared(*engines: EngineMeasurement, present: str = "llama.cpp", complete: bool = True) -> Tuning:
    return Tuning(PRESENT, (), complete=complete, present_engine=present, engines=engines)


BROKEN = EngineMeasurement(EngineOption("llama.cpp-cuda"), failure="It crashed")


@pytest.mark.parametrize(
    ("tuning", "expected"),
    [
        (compared(speed("llama.cpp", 100), speed("llama.cpp-cpu", 190)), "llama.cpp-cpu"),
        (compared(speed("llama.cpp", 100), speed("llama.cpp-cpu", 104)), "llama.cpp"),
        (compared(speed("llama.cpp", 100), speed("llama.cpp-cpu", 90)), "llama.cpp"),
        (compared(speed("llama.cpp", 100, 40), speed("llama.cpp-cpu", 120, 30)), "llama.cpp"),
        (compared(speed("llama.cpp", 100, 40), speed("llama.cpp-cpu", 99, 60)), "llama.cpp-cpu"),
        (compared(speed("llama.cpp", 100), BROKEN), "llama.cpp"),
        (compared(speed("llama.cpp", 100), BROKEN, present="llama.cpp-cuda"), "llama.cpp"),
        (compared(BROKEN, present="llama.cpp-cuda"), "llama.cpp-cuda"),
        (compared(), "llama.cpp"),
        (compared(speed("llama.cpp", 1), speed("llama.cpp-cpu", 9), complete=False), "llama.cpp"),
    ],
    ids=[
        "faster",
        "not worth it",
        "slower",
        "faster in one, slower in the other",
        "faster in one",
        "another crashes",
        "the present one crashes",
        "all crash",
        "nothing to compare",
        "broken off",
    ],
)
def test_an_engine_must_be_faster_by_a_margin(tuning: Tuning, expected: str) -> None:
    assert tuning.engine == expected
    assert tuning.keeps is (expected == tuning.present_engine)


def test_the_speed_of_each_engine_is_told_in_times_of_the_built_in_one() -> None:
    built_in, native = speed("llama.cpp", 100, 40), speed("llama.cpp-cpu", 400, 40)
    tuning = compared(built_in, native, BROKEN)

    assert [tuning.times_built_in(each) for each in tuning.engines] == [1.0, 2.0, None]
    assert compared(native).times_built_in(native) is None


def test_engines_are_compared_first_and_the_threads_on_the_fastest() -> None:
    machine, told = Machine(), []
    machine.speeds |= {"llama.cpp-cpu": 2.0, "llama.cpp-cuda": 1.5}

    tuning = tune(
        machine,
        Settings(threads=4),
        machine.host,
        threading.Event(),
        lambda found, total: told.append((len(found.engines), len(found.samples), total)),
        OPTIONS,
    )

    assert machine.trials == [
        *({"engine": setting} for setting in ENGINES),
        *({"threads": count, "threads_batch": count, "engine": "llama.cpp-cpu"} for count in (2, 3, 4, 6, 8)),
        {},
    ]
    assert told == [
        *((done, 0, 8) for done in (0, 1, 1, 2, 2, 3)),  # before each engine, and after it
        *((3, done, 8) for done in (1, 2, 3, 4, 5)),
    ]
    assert [round(tuning.times_built_in(each) or 0, 2) for each in tuning.engines] == [1.0, 2.0, 1.5]
    assert (tuning.present_engine, tuning.engine, tuning.advice) == (
        "llama.cpp",
        "llama.cpp-cpu",
        Threads(4, 6),
    )


def test_an_engine_that_crashes_ends_no_comparison() -> None:
    machine = Machine()
    machine.speeds["llama.cpp-cuda"] = 3.0
    machine.broken = "llama.cpp-cpu"

    tuning = tune(machine, Settings(), machine.host, threading.Event(), lambda *_: None, OPTIONS)

    assert [str(each.failure) for each in tuning.engines] == ["", "The server did not answer", ""]
    assert (tuning.complete, tuning.engine) == (True, "llama.cpp-cuda")


def test_an_engine_in_whose_place_another_one_ran_has_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    monkeypatch.setitem(ENGINES, "llama.cpp-cuda", BUILT_IN)  # as the server does after a crash

    tuning = tune(machine, Settings(), machine.host, threading.Event(), lambda *_: None, OPTIONS)

    assert str(tuning.engines[2].failure) == "It failed, and llama.cpp was used instead."


def test_an_engine_that_is_not_tried_is_told_with_the_reason() -> None:
    machine = Machine()
    options = (EngineOption("llama.cpp"), EngineOption("llama.cpp-cpu", obstacle="It crashed"))

    tuning = tune(machine, Settings(), machine.host, threading.Event(), lambda *_: None, options)

    assert [(each.option.setting, each.failure) for each in tuning.engines] == [
        ("llama.cpp-cpu", "It crashed")
    ]
    assert tuning.engine == "llama.cpp"
    assert all("engine" not in values or values["engine"] == "llama.cpp" for values in machine.trials)


def test_a_program_of_the_persons_own_is_compared_with_the_installed_ones() -> None:
    machine = Machine()
    own = Engine(EngineKind.LLAMA_SERVER, ("/opt/llama-server",))
    machine.plan = replace(machine.plan, engine=own)
    cancelled = threading.Event()
    tell = lambda found, _: cancelled.set() if len(found.engines) == 1 else None  # noqa: E731

    tuning = tune(machine, Settings(engine="/opt/llama-server"), machine.host, cancelled, tell, OPTIONS)

    assert (tuning.present_engine, tuning.complete) == ("/opt/llama-server", False)


def test_a_single_engine_is_not_compared() -> None:
    machine = Machine()

    tuning = tune(machine, Settings(), machine.host, threading.Event(), lambda *_: None, OPTIONS[:1])

    assert tuning.engines == ()
    assert machine.tried == [2, 3, 4, 6, 8, None]


def test_an_engine_is_an_option_where_it_was_proven_with_the_weights_and_not_set_aside() -> None:
    header = make_model(sparse=False).header
    builds = (
        build(),
        build(BackEnd.VULKAN, Verdict(works=False, reason="Segmentation fault")),
        build(BackEnd.CUDA),
        replace(build(BackEnd.ROCM), verdicts={}),
        build(kind=EngineKind.POWERINFER),
        replace(build(), release="b0"),
    )

    options = engine_options(header, BUILT_IN, builds, {"b1-cuda": "It crashed twice"})

    assert [(each.setting, each.release, str(each.obstacle)) for each in options] == [
        ("llama.cpp", "2026.10", ""),
        ("llama.cpp-cpu", "b1", ""),
        ("llama.cpp-vulkan", "b1", "It does not work with Q4_0 quantization: Segmentation fault"),
        ("llama.cpp-cuda", "b1", "It crashed twice"),
        ("llama.cpp-rocm", "b1", "It was not tested with Q4_0 quantization."),
    ]
