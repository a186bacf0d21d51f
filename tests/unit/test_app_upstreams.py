"""Leases that come later: whoever waits hears of every end, and what nobody takes is given back."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, cast

import pytest

from tests.fakes.app import make_snapshot
from tray_app.app.upstreams import ServedLease, after, leased
from tray_app.engine.pooled_engine import EngineLease
from tray_app.errors import EngineError, ErrorCode
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from tray_app.gateway.upstream import Lease, Upstream

BROKEN = EngineError(ErrorCode.ENGINE_CRASHED, "The engine has crashed")


class Given:
    """A lease of the pool, which counts how often it came back."""

    def __init__(self) -> None:
        self.back = 0
        self.lease = EngineLease(make_snapshot(), self._take)

    def _take(self) -> None:
        self.back += 1


def served(lease: EngineLease) -> ServedLease:
    return ServedLease(cast("Upstream", None), lease)


def later(wait: Future[EngineLease]) -> Future[Lease | Unavailable]:
    coming = leased(wait, served)
    assert isinstance(coming, Future)
    return coming


def test_a_lease_that_comes_later_is_handed_on() -> None:
    given, wait = Given(), Future[EngineLease]()
    coming = later(wait)
    wait.set_result(given.lease)
    cast("ServedLease", coming.result(0)).release()
    assert given.back == 1


def test_one_that_nobody_waits_for_any_more_is_given_back() -> None:
    given, wait = Given(), Future[EngineLease]()
    wait.set_running_or_notify_cancel()  # it is on its way
    assert later(wait).cancel()
    wait.set_result(given.lease)
    assert given.back == 1


def test_who_leaves_gives_the_place_up() -> None:
    wait: Future[EngineLease] = Future()
    assert later(wait).cancel()
    assert wait.cancelled()


def test_an_engine_that_cannot_be_told_of_ends_the_wait_and_is_given_back() -> None:
    given, wait = Given(), Future[EngineLease]()

    def fail(_: EngineLease) -> ServedLease:
        raise BROKEN

    coming = leased(wait, fail)
    assert isinstance(coming, Future)
    wait.set_result(given.lease)
    assert coming.exception(0) is BROKEN
    assert given.back == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_after_a_look_whatever_comes_is_handed_on(*, at_once: bool) -> None:
    look, no = Future[None](), Unavailable("none")
    wait: Future[Lease | Unavailable] = Future()
    wait.set_result(no)
    coming = after(look, lambda: no if at_once else wait)
    assert not coming.done()
    look.set_result(None)
    assert coming.result(0) is no


def test_after_a_look_a_defect_ends_the_wait() -> None:
    look: Future[None] = Future()

    def fail() -> Unavailable:
        raise BROKEN

    coming = after(look, fail)
    look.set_result(None)
    assert coming.exception(0) is BROKEN
