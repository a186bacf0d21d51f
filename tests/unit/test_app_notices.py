"""What people are told of engines that were passed over, although everything works."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console

from tests.fakes.app import make_loaded, make_plan, make_snapshot, make_status, with_engines
from tests.fakes.builds import make_build
from tray_app.app.status import ProblemSource, notices_of, status_document
from tray_app.cli.progress import ServeView
from tray_app.engine.builds.build import BackEnd
from tray_app.engine.lifecycle import State
from tray_app.engine.program import PassedOver, WhyPassedOver
from tray_app.errors import ErrorCode, Fix

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.engine.launch_plan import LaunchPlan

CUDA, VULKAN, CPU = map(make_build, (BackEnd.CUDA, BackEnd.VULKAN, BackEnd.CPU))
CRASHED = "The engine crashed."


def passing_over(*passed: PassedOver) -> LaunchPlan:
    plan = make_plan()
    return replace(plan, engine=replace(plan.engine, passed_over=passed))


FALLEN_BACK = passing_over(
    PassedOver(CUDA, WhyPassedOver.SET_ASIDE, CRASHED), PassedOver(VULKAN, WhyPassedOver.SET_ASIDE, CRASHED)
)


def status_with(plan: LaunchPlan) -> AppStatus:
    return make_status(engine=make_snapshot(State.READY, plan=plan))


def test_a_model_that_an_engine_has_failed_with_is_a_notice_with_the_reason_and_the_way_back() -> None:
    (notice,) = status_with(FALLEN_BACK).notices
    error = notice.error
    assert (notice.source, notice.build_id) == (ProblemSource.SET_ASIDE, CUDA.id)
    assert (error.code, error.fix, error.message) == (ErrorCode.ENGINE_SET_ASIDE, Fix.ALLOW_ENGINE, CRASHED)
    assert FALLEN_BACK.model.name in error.title
    assert error.hint == f"To try it again, run: powerinfer-tray engines allow {CUDA.id}"


def test_it_is_no_problem() -> None:
    assert status_with(FALLEN_BACK).problem is None


def test_an_engine_that_cannot_be_used_now_is_told_without_a_way_back() -> None:
    (notice,) = notices_of(passing_over(PassedOver(CUDA, WhyPassedOver.UNUSABLE, "It has changed")))
    assert (notice.error.message, notice.error.fix) == ("It has changed", Fix.NONE)


def test_what_people_could_expect_is_no_notice() -> None:
    slow = PassedOver(CPU, WhyPassedOver.NOT_FASTER, "It is not faster")
    unproven = PassedOver(VULKAN, WhyPassedOver.NOT_PROVEN, "It was not tested")
    assert notices_of(passing_over(slow, unproven)) == ()
    assert make_status(State.READY).notices == ()


def test_each_loaded_model_has_its_own() -> None:
    other = make_loaded("Tiny", plan=FALLEN_BACK)
    assert len(with_engines(status_with(FALLEN_BACK), other).notices) == 2


def test_programs_are_told_too() -> None:
    document = status_document(status_with(FALLEN_BACK))
    assert [(each.code, each.source) for each in document.notices] == [("engine_set_aside", "set aside")]
    assert document.problems == ()


def test_serve_tells_each_notice_once_and_again_after_it_was_gone() -> None:
    printed = StringIO()
    view = ServeView(Console(file=printed, width=200))
    for plan in (FALLEN_BACK, FALLEN_BACK, make_plan(), FALLEN_BACK):
        view.show_status(status_with(plan))
    assert printed.getvalue().count(f"is not using the engine {CUDA.id}") == 2
