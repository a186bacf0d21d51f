"""The best number of threads: which are tried, which wins, and that the server is left as it was."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import FakeApp, make_host, make_model, make_plan
from tests.fakes.errors import coded
from tray_app.app.tuning import ThreadMeasurement, Threads, Tuning, candidates, threads_of, tune
from tray_app.engine.ineffective_settings import ONE_THREAD
from tray_app.engine.launch_plan import plan_remote
from tray_app.errors import EngineError, ErrorCode, GatewayError
from tray_app.gateway.public_client import Embeddings
from tray_app.settings.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

PRESENT = Threads(generation=4, prompt=4)


class Machine(FakeApp):
    """Embeds faster with more threads up to six of them."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = replace(make_plan(), model=make_model(sparse=False))
        self.count = 0
        self.fails_with: int | None = None

    def try_threads(self, count: int | None) -> None:
        self.note("try_threads", count)
        self.count = count or 0

    def embed(self, texts: Sequence[str]) -> Embeddings:
        if self.count == self.fails_with:
            raise GatewayError(ErrorCode.SERVER_UNREACHABLE, "The server did not answer")
        return Embeddings(((1.0,),), 1, len(texts), 600.0 / min(self.count, 6))

    @property
    def tried(self) -> list[int | None]:
        return [call[1] for call in self.calls if call[0] == "try_threads"]


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
        lambda done, total: told.append((len(done), total)),
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
