"""The pool of engines, with supervisors that do what a test says: who loads, who goes, who gets a lease."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from tests.fakes.app import make_plan
from tests.fakes.errors import coded
from tests.fakes.scripted_supervisor import ScriptedSupervisor
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.pool import EnginePool
from tray_app.engine.pooled_engine import EngineLease
from tray_app.errors import EngineError, ErrorCode
from tray_app.system.engine_id import MAIN_ENGINE, EngineId

if TYPE_CHECKING:
    from tray_app.engine.supervisor import Supervisor
    from tray_app.errors import AppError

DEADLINE_S = 20.0
CALLED_OFF = EngineError(ErrorCode.START_CALLED_OFF, "The start was canceled")
BROKEN = EngineError(ErrorCode.ENGINE_CRASHED, "The engine has crashed")


class Pool:
    """A pool of engines that take so many bytes, in a test's hands."""

    def __init__(
        self,
        budget_bytes: int = 100,
        *,
        card_bytes: int = 0,
        longest_stay_s: float = 0,
        **sizes: int | tuple[int, int],
    ) -> None:
        """`sizes`: what models take of main memory, or of that and of a card that has `card_bytes`."""
        self.card_bytes = card_bytes
        self.budget_bytes = budget_bytes
        self.sizes = sizes
        self.kept: set[str] = set()
        self.now_s = 0.0
        self.planned: list[str] = []
        self.replaceable: set[str] = set()
        """The models whose engines another one may replace, as long as none has."""
        self.replaced: list[tuple[str, EngineError]] = []
        self.none_instead: AppError | None = None
        """Why no other engine can run a model."""
        self._supervisors: dict[EngineId, ScriptedSupervisor] = {}
        self.pool = EnginePool(
            self._make,
            budget=lambda _: self.budget_bytes,
            is_kept=lambda model_id: model_id in self.kept,
            called_off=lambda: CALLED_OFF,
            instead_of=self._instead_of,
            clock=self._tick,
            longest_stay_s=longest_stay_s,
        )

    def _make(self, engine_id: EngineId) -> Supervisor:
        made = self._supervisors[engine_id] = ScriptedSupervisor(engine_id)
        return cast("Supervisor", made)

    def _instead_of(self, failed: LaunchPlan, failure: EngineError) -> LaunchPlan:
        model_id = failed.model.id
        self.replaced.append((model_id, failure))
        if self.none_instead:
            raise self.none_instead
        self.replaceable -= {model_id}
        return self.plan(model_id)

    def _tick(self) -> float:
        self.now_s += 0.01
        return self.now_s

    @property
    def main(self) -> ScriptedSupervisor:
        return self._supervisors[MAIN_ENGINE]

    def __getitem__(self, model_id: str) -> ScriptedSupervisor:
        return self._supervisors[EngineId.of_model(model_id)]

    def plan(self, model_id: str) -> LaunchPlan:
        plan = make_plan()
        model = replace(plan.model, id=model_id, name=model_id)
        size = self.sizes[model_id]
        main, card = size if isinstance(size, tuple) else (size, 0)
        room = self.card_bytes if card else 0
        engine = replace(plan.engine, replaceable=model_id in self.replaceable)
        plan = replace(plan, engine=engine, model=model)
        return replace(plan, memory_bytes=main, graphics_bytes=card, graphics_room_bytes=room)

    def ask(self, model_id: str) -> EngineLease | Future[EngineLease]:
        """As a request does; returns when the pool has made up its mind."""

        def make_plan_of() -> LaunchPlan:
            self.planned.append(model_id)
            return self.plan(model_id)

        wait = self.pool.acquire(model_id, make_plan_of)
        join_plans()
        return wait

    def loaded(self, model_id: str) -> EngineLease:
        """A lease of a model that a test loads for it."""
        wait = self.ask(model_id)
        if isinstance(wait, EngineLease):
            return wait
        self[model_id].becomes(State.READY)
        return wait.result(0)

    def told(self) -> set[str]:
        """The models whose engines are to run."""
        plans = (each.wanted for each in self._supervisors.values())
        return {plan.model.id for plan in plans if isinstance(plan, LaunchPlan)}


def join_plans() -> None:
    """Until every plan that is being made is there."""
    for thread in threading.enumerate():
        if thread.name.startswith("plan-"):
            thread.join(DEADLINE_S)


def waiting(wait: EngineLease | Future[EngineLease] | None) -> Future[EngineLease]:
    assert isinstance(wait, Future)
    return wait


def test_requests_for_a_model_share_its_start_and_count_as_leases() -> None:
    pool = Pool(a=10)
    first, second = waiting(pool.ask("a")), waiting(pool.ask("a"))
    assert pool.planned == ["a"]
    pool["a"].becomes(State.READY)
    leases = [first.result(0), second.result(0), pool.ask("a")]
    status = pool.pool.snapshot().of("a")
    assert status
    assert (status.leases, status.idle_s) == (3, None)
    for lease in leases:
        assert isinstance(lease, EngineLease)
        lease.release()
        lease.release()
    status = pool.pool.snapshot().of("a")
    assert status
    assert status.leases == 0


def test_a_client_that_leaves_takes_no_lease() -> None:
    pool = Pool(a=10)
    gone, stays = waiting(pool.ask("a")), waiting(pool.ask("a"))
    assert gone.cancel()
    pool["a"].becomes(State.READY)
    stays.result(0).release()
    status = pool.pool.snapshot().of("a")
    assert status
    assert status.leases == 0


def test_the_least_recently_used_idle_engine_makes_room() -> None:
    pool = Pool(a=40, b=40, c=40)
    pool.loaded("a").release()
    pool.loaded("b").release()
    pool.loaded("a").release()
    wait = waiting(pool.ask("c"))
    assert pool.told() == {"a"}  # b goes, and c waits until it has gone
    pool["b"].becomes(State.STOPPED)
    assert pool.told() == {"a", "c"}
    pool["c"].becomes(State.READY)
    assert wait.result(0).engine.plan == pool.plan("c")


def test_a_busy_engine_gets_no_new_requests_while_another_model_waits_for_its_memory() -> None:
    pool = Pool(a=60, b=60)
    busy = pool.loaded("a")
    for_b = waiting(pool.ask("b"))
    late = waiting(pool.ask("a"))
    assert not for_b.done()
    assert not late.done()
    busy.release()
    assert pool.told() == set()
    pool["a"].becomes(State.STOPPED)
    assert pool.told() == {"b"}
    pool["b"].becomes(State.READY)
    for_b.result(0).release()
    assert pool.told() == set()  # the late one's turn
    pool["b"].becomes(State.STOPPED)
    pool["a"].becomes(State.READY)
    late.result(0).release()


def test_when_the_waiting_client_leaves_the_busy_engine_goes_on() -> None:
    pool = Pool(a=60, b=60)
    busy = pool.loaded("a")
    for_b = waiting(pool.ask("b"))
    for_b.cancel()
    again = pool.ask("a")
    lease = again if isinstance(again, EngineLease) else again.result(0)
    lease.release()
    busy.release()
    assert pool.told() == {"a"}


def test_a_model_beside_kept_ones_that_does_not_fit_is_refused_with_numbers_and_names() -> None:
    gib = 2**30
    pool = Pool(4 * gib, a=3 * gib, b=2 * gib)
    pool.kept = {"a"}
    pool.loaded("a").release()
    refused = waiting(pool.ask("b")).exception(0)
    assert isinstance(refused, EngineError)
    assert refused.code is ErrorCode.MODEL_DOES_NOT_FIT
    text = str(refused)
    assert all(part in text for part in ("2.00 GiB", "4.00 GiB", "1.00 GiB", "powerinfer-tray unload a"))
    assert pool.told() == {"a"}


def test_what_a_person_forces_is_loaded_over_the_budget() -> None:
    pool = Pool(50, a=60)
    forced = pool.pool.load("a", lambda: pool.plan("a"), forced=True)
    join_plans()
    pool["a"].becomes(State.READY)
    forced.result(0).release()


@pytest.mark.parametrize("unloaded_by", ["a person", "idleness"])
def test_what_was_forced_once_is_not_forced_by_the_next_request(unloaded_by: str) -> None:
    pool = Pool(50, a=60)
    forced = pool.pool.load("a", lambda: pool.plan("a"), forced=True)
    join_plans()
    pool["a"].becomes(State.READY)
    forced.result(0).release()
    if unloaded_by == "a person":
        pool.pool.unload("a")
    else:
        pool.now_s += 100
        pool.pool.unload_idle(lambda _: 5)
    pool["a"].becomes(State.STOPPED)
    refused = waiting(pool.ask("a")).exception(0)
    assert isinstance(refused, EngineError)
    assert refused.code is ErrorCode.MODEL_DOES_NOT_FIT


def test_a_plan_that_cannot_be_made_is_told_to_all_who_wait_and_to_nobody_else() -> None:
    pool = Pool(a=10)
    pool.loaded("a").release()

    def fail() -> LaunchPlan:
        raise BROKEN

    wait = waiting(pool.pool.acquire("gone", fail))
    assert wait.exception(DEADLINE_S) is BROKEN
    assert isinstance(pool.ask("a"), EngineLease)


def test_a_system_that_gives_no_thread_for_a_plan_is_told_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Pool(a=10)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        error = waiting(pool.ask("a")).exception(0)
    assert isinstance(error, EngineError)
    assert error.code is ErrorCode.SYSTEM_RESOURCES_EXHAUSTED
    pool.loaded("a").release()


def test_an_engine_that_fails_tells_those_who_wait_and_is_started_by_the_next_request() -> None:
    pool = Pool(a=10)
    wait = waiting(pool.ask("a"))
    pool["a"].becomes(State.FAILED, BROKEN)
    assert wait.exception(0) is BROKEN
    again = waiting(pool.ask("a"))
    pool["a"].becomes(State.READY)
    again.result(0).release()
    assert pool.planned == ["a", "a"]


def test_an_engine_that_failed_holds_no_memory() -> None:
    pool = Pool(a=60, b=60)
    pool.ask("a")
    pool["a"].becomes(State.FAILED, BROKEN)
    pool.loaded("b").release()


def test_the_chosen_model_makes_room_and_takes_over_from_an_engine_that_has_it() -> None:
    pool = Pool(a=60, b=60)
    pool.loaded("a").release()
    pool.pool.run_main(pool.plan("a"), in_any_case=False)
    late = waiting(pool.pool.acquire_main())
    assert pool["a"].wanted is None
    pool["a"].becomes(State.STOPPED)
    assert pool.main.wanted == pool.plan("a")
    pool.main.becomes(State.READY)
    late.result(0).release()


def test_the_chosen_model_sleeps_while_another_needs_its_memory_and_may_be_woken() -> None:
    pool = Pool(a=60, b=60)
    pool.pool.run_main(pool.plan("a"), in_any_case=True)
    pool.main.becomes(State.READY)
    wait = waiting(pool.ask("b"))
    main = pool.pool.main()
    assert (main.asleep, main.made_room, main.told) == (True, True, None)
    pool.main.becomes(State.STOPPED)
    pool["b"].becomes(State.READY)
    wait.result(0).release()
    assert pool.pool.acquire_main() is None


def test_the_chosen_model_is_refused_before_anything_has_changed() -> None:
    pool = Pool(50, a=10, b=60)
    pool.pool.run_main(pool.plan("a"), in_any_case=False)
    pool.main.becomes(State.READY)
    with pytest.raises(EngineError, check=coded(ErrorCode.MODEL_DOES_NOT_FIT)):
        pool.pool.run_main(pool.plan("b"), in_any_case=False)
    assert isinstance(pool.pool.acquire_main(), EngineLease)


def test_a_changed_plan_of_one_model_restarts_that_one_alone() -> None:
    pool = Pool(a=10, b=10)
    pool.pool.run_main(pool.plan("a"), in_any_case=False)
    pool.main.becomes(State.READY)
    pool.loaded("b").release()
    changed = replace(pool.plan("b"), context_size=1234)
    pool.pool.run_again("b", pool.plan("b"))
    assert pool["b"].snapshot().state is State.READY
    pool.pool.run_again("b", changed)
    assert pool["b"].wanted == changed
    assert pool.main.snapshot().state is State.READY


def test_a_plan_that_changes_while_its_model_waits_for_memory_is_the_one_that_runs() -> None:
    pool = Pool(a=60, b=60, c=60)
    busy = pool.loaded("a")
    for_b = waiting(pool.ask("b"))
    waiting(pool.ask("c"))
    changed = replace(pool.plan("b"), context_size=1234)
    pool.pool.run_again("b", changed)
    busy.release()
    pool["a"].becomes(State.STOPPED)
    assert pool.told() == {"b"}  # which was asked for before c
    pool["b"].becomes(State.READY)
    assert for_b.result(0).engine.plan == changed


def test_a_plan_that_changes_while_the_first_one_is_being_made_is_the_one_that_runs() -> None:
    pool = Pool(a=10)
    has_changed = threading.Event()

    def slowly() -> LaunchPlan:
        assert has_changed.wait(DEADLINE_S)
        return pool.plan("a")

    wait = waiting(pool.pool.acquire("a", slowly))
    changed = replace(pool.plan("a"), context_size=1234)
    pool.pool.run_again("a", changed)
    has_changed.set()
    join_plans()
    assert pool["a"].wanted == changed
    pool["a"].becomes(State.READY)
    wait.result(0).release()


def test_a_stop_ends_all_engines_and_tells_all_who_wait() -> None:
    pool = Pool(a=10, b=10)
    pool.pool.run_main(pool.plan("a"), in_any_case=False)
    waits = [waiting(pool.pool.acquire_main()), waiting(pool.ask("b"))]
    pool.pool.stop_all()
    assert [each.exception(0) for each in waits] == [CALLED_OFF, CALLED_OFF]
    assert pool.told() == set()


def test_what_waits_for_a_promised_start_is_told_when_that_fails() -> None:
    pool = Pool(a=10)
    wait = pool.pool.await_main()
    pool.pool.refuse_main(BROKEN)
    assert wait.exception(0) is BROKEN
    assert pool.pool.acquire_main() is None


def test_an_engine_is_unloaded_when_nobody_has_used_it_for_its_time() -> None:
    pool = Pool(a=10, b=10, c=10)
    pool.kept = {"b"}
    pool.pool.run_main(pool.plan("c"), in_any_case=False)
    pool.main.becomes(State.READY)
    used = pool.loaded("a")
    pool.loaded("b").release()

    def limit_s(_: str | None) -> float:
        return 5

    assert pool.pool.unload_idle(lambda _: None) is None
    assert pool.pool.unload_idle(limit_s) == pytest.approx(5, abs=0.5)
    pool.now_s += 100
    assert pool.pool.unload_idle(limit_s) == 5  # the one in use, as if it became idle now
    assert pool.told() == {"a", "b"}
    assert (pool.pool.main().asleep, pool.pool.main().made_room) == (True, False)
    used.release()
    pool.now_s += 100
    pool.pool.unload_idle(limit_s)
    assert pool.told() == {"b"}


def test_an_engine_that_loaded_for_long_has_not_idled_as_it_gets_ready() -> None:
    pool = Pool(c=10)
    pool.pool.run_main(pool.plan("c"), in_any_case=False)
    pool.now_s += 100
    pool.main.shows(State.READY)
    assert pool.pool.unload_idle(lambda _: 5) == 5
    pool.main.becomes(State.READY)
    assert pool.pool.unload_idle(lambda _: 5) == pytest.approx(5, abs=0.5)
    pool.now_s += 100
    pool.pool.unload_idle(lambda _: 5)
    assert pool.pool.main().asleep


def test_an_engine_that_grew_counts_with_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    from tray_app.engine import pool as module
    from tray_app.system.process import ProcessUsage

    pool = Pool(a=10, b=60)
    pool.loaded("a").release()
    pool["a"]._now = replace(pool["a"]._now, pid=4711)
    monkeypatch.setattr(module, "usage_together", lambda *_: ProcessUsage(0, 0, 70, 50))
    pool.pool.measure()
    status = pool.pool.snapshot().of("a")
    assert status
    assert (status.memory_bytes, status.expected_bytes) == (70, 70)
    wait = waiting(pool.ask("b"))
    assert pool.told() == set()
    pool["a"].becomes(State.STOPPED)
    pool["b"].becomes(State.READY)
    wait.result(0).release()


def test_all_who_wait_for_a_model_that_is_unloaded_are_told_so() -> None:
    pool = Pool(a=10, b=10)
    waits = [waiting(pool.ask("a")) for _ in range(3)]
    other = waiting(pool.ask("b"))
    assert pool.pool.unload("a")
    assert [each.exception(0) for each in waits] == [CALLED_OFF] * 3
    assert not other.done()


def test_an_unloaded_model_says_so_and_comes_back_when_asked() -> None:
    pool = Pool(a=10)
    assert not pool.pool.unload("a")
    pool.loaded("a").release()
    assert pool.pool.unload("a")
    pool["a"].becomes(State.STOPPED)
    pool.pool.wait_until_gone("a", DEADLINE_S)
    assert pool.pool.snapshot().of("a") is None
    pool.loaded("a").release()


@pytest.mark.parametrize("busy", [True, False])
def test_an_engine_that_has_just_been_loaded_stays_for_as_long_as_that_took(*, busy: bool) -> None:
    pool = Pool(a=60, b=60, longest_stay_s=0.5)
    first = waiting(pool.ask("a"))
    pool.now_s += 100
    pool["a"].becomes(State.READY)
    lease = first.result(0)
    if not busy:
        lease.release()
    for_b = waiting(pool.ask("b"))
    again = pool.ask("a")
    assert isinstance(again, EngineLease)  # for it is not to go yet
    again.release()
    assert pool.told() == {"a"}
    pool.now_s += 100
    if busy:
        lease.release()
    else:
        assert pool["a"].told_to_stop.wait(DEADLINE_S)  # the pool looks again by itself
    assert pool.told() == set()
    pool["a"].becomes(State.STOPPED)
    pool["b"].becomes(State.READY)
    for_b.result(0).release()


def test_names_of_every_alphabet_make_engines_of_their_own() -> None:
    ids = [EngineId.of_model(each) for each in ("é", "è", "模型", "a b", "a-b", "main", "a" * 200, "")]
    assert len({str(each) for each in ids}) == len(ids)
    assert MAIN_ENGINE not in ids


# Cards -----------------------------------------------------------------------------------------------------


def counted(pool: Pool, model_id: str) -> tuple[int, int]:
    status = pool.pool.snapshot().of(model_id)
    assert status
    return status.expected_bytes, status.expected_graphics_bytes


def test_for_the_memory_of_a_card_the_engine_goes_that_has_it() -> None:
    pool = Pool(card_bytes=50, a=(10, 40), b=(10, 0), c=(10, 30))
    pool.loaded("a").release()
    pool.loaded("b").release()
    waiting(pool.ask("c"))
    assert pool.told() == {"b"}
    pool["a"].becomes(State.STOPPED)
    assert pool.told() == {"b", "c"}
    assert counted(pool, "c") == (10, 30)
    seen = pool.pool.snapshot()
    assert (seen.budget_bytes, seen.graphics_budget_bytes) == (100, 50)


def test_what_kept_models_leave_no_room_for_on_a_card_goes_into_main_memory() -> None:
    pool = Pool(card_bytes=50, a=(10, 40), b=(10, 30))
    pool.kept = {"a"}
    pool.loaded("a").release()
    pool.loaded("b")
    assert counted(pool, "a") == (10, 40)
    assert counted(pool, "b") == (30, 10)


def test_where_nothing_computes_with_a_card_none_is_told_of() -> None:
    pool = Pool(a=10)
    pool.loaded("a")
    assert pool.pool.snapshot().graphics_budget_bytes == 0
    assert counted(pool, "a") == (10, 0)


def test_what_an_engine_really_has_of_a_card_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from tray_app.engine import pool as module
    from tray_app.system.process import ProcessUsage

    monkeypatch.setattr(module, "usage_together", lambda *_: ProcessUsage(0, 0, 12, 5))
    monkeypatch.setattr(module, "graphics_used_by", lambda _: 45)
    pool = Pool(card_bytes=50, a=(10, 40), b=10)
    for model_id in ("a", "b"):
        pool.loaded(model_id)
        pool[model_id]._now = replace(pool[model_id]._now, pid=4711)
    pool.pool.measure()
    assert counted(pool, "a") == (12, 45)
    measured = [each.graphics_bytes for each in pool.pool.snapshot().others]
    assert measured == [45, None]


# Another engine instead ------------------------------------------------------------------------------------


def runs(pool: Pool, model_id: str) -> str:
    """Which engine is told to run a model."""
    plan = (pool.pool.snapshot().of(model_id) or pool.pool.main()).told
    assert isinstance(plan, LaunchPlan)
    return "first" if plan.engine.replaceable else "other"


def fails(pool: Pool, model_id: str) -> None:
    pool[model_id].becomes(State.FAILED, BROKEN)
    join_plans()


def test_requests_that_wait_get_their_answer_from_the_engine_that_takes_the_place() -> None:
    pool = Pool(a=10)
    pool.replaceable = {"a"}
    wait = waiting(pool.ask("a"))
    assert runs(pool, "a") == "first"
    fails(pool, "a")
    assert pool.replaced == [("a", BROKEN)]
    pool["a"].becomes(State.STOPPED)
    assert runs(pool, "a") == "other"
    late = waiting(pool.ask("a"))
    pool["a"].becomes(State.READY)
    assert isinstance(wait.result(0), EngineLease)
    assert isinstance(late.result(0), EngineLease)
    assert pool.planned == ["a"]


def test_the_chosen_model_goes_on_with_another_engine_also_if_nobody_asks() -> None:
    pool = Pool(a=10)
    pool.replaceable = {"a"}
    pool.pool.run_main(pool.plan("a"), in_any_case=False)
    pool.main.becomes(State.READY)
    pool.main.becomes(State.FAILED, BROKEN)
    join_plans()
    pool.main.becomes(State.STOPPED)
    assert runs(pool, "a") == "other"
    pool.main.becomes(State.READY)
    assert pool.pool.main().engine.state is State.READY
    assert pool.pool.main().leases == 0


def test_a_loaded_model_that_nobody_uses_is_loaded_into_the_other_engine_too() -> None:
    pool = Pool(a=10)
    pool.replaceable = {"a"}
    pool.loaded("a").release()
    fails(pool, "a")
    pool["a"].becomes(State.STOPPED)
    assert runs(pool, "a") == "other"
    pool["a"].becomes(State.READY)
    assert pool.pool.snapshot().others[0].leases == 0


def test_where_no_other_engine_can_run_the_model_the_first_failure_is_told() -> None:
    pool = Pool(a=10)
    pool.replaceable, pool.none_instead = {"a"}, EngineError(ErrorCode.LLAMA_CPP_NOT_FOUND, "There is none")
    wait = waiting(pool.ask("a"))
    fails(pool, "a")
    assert wait.exception(DEADLINE_S) is BROKEN
    assert len(pool.replaced) == 1
    status = pool.pool.snapshot().of("a")
    assert status
    assert (status.engine.state, status.queued) == (State.FAILED, False)


def test_an_engine_that_nothing_replaces_fails_as_ever() -> None:
    pool = Pool(a=10)
    wait = waiting(pool.ask("a"))
    fails(pool, "a")
    assert wait.exception(0) is BROKEN
    assert pool.replaced == []


@pytest.mark.parametrize("code", [ErrorCode.NOT_ENOUGH_MEMORY, ErrorCode.MODEL_FILE_INCOMPLETE])
def test_what_is_no_fault_of_the_engine_replaces_none(code: ErrorCode) -> None:
    pool = Pool(a=10)
    pool.replaceable = {"a"}
    wait = waiting(pool.ask("a"))
    error = EngineError(code, "Not its fault")
    pool["a"].becomes(State.FAILED, error)
    assert wait.exception(0) is error
    assert pool.replaced == []


def test_what_was_stopped_meanwhile_gets_no_other_engine() -> None:
    pool = Pool(a=10)
    pool.replaceable = {"a"}
    stopped, looked = threading.Event(), threading.Event()

    def slowly(failed: LaunchPlan, failure: EngineError) -> LaunchPlan:
        del failure
        looked.set()
        assert stopped.wait(DEADLINE_S)
        return failed

    pool.pool._instead_of = slowly
    wait = waiting(pool.ask("a"))
    pool["a"].becomes(State.FAILED, BROKEN)
    assert looked.wait(DEADLINE_S)
    pool.pool.unload("a")
    stopped.set()
    join_plans()
    assert wait.exception(0) is CALLED_OFF
    assert pool.told() == set()
