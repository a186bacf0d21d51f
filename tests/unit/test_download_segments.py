"""Which connection fetches which bytes, how many connections there are, and how fast they may be."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.errors import coded
from tray_app.download.connection_scaler import ConnectionScaler
from tray_app.download.segments import (
    FIRST_CLAIM_BYTES,
    LARGEST_CLAIM_BYTES,
    SMALLEST_CLAIM_BYTES,
    SMALLEST_HALF_BYTES,
    Plan,
    Span,
    claim_bytes,
)
from tray_app.download.throttle import Throttle, parse_rate
from tray_app.errors import DownloadError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.download.segments import Claim

MB = 1_000_000


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, list[Span]]:
    """The size of a file, and what of it is here."""
    size = draw(st.integers(0, 200 * MB))
    edges = sorted(draw(st.sets(st.integers(0, size), max_size=12)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return size, [Span(start, end) for start, end in pairs]


@given(known=spans(), moves=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40 * MB)), max_size=60))
def test_whatever_connections_do_each_byte_has_one_place(
    known: tuple[int, list[Span]], moves: list[tuple[int, int]]
) -> None:
    """Connections claim, receive and give up in any order: nothing overlaps, nothing is lost."""
    size, done = known
    plan = Plan(size, done)
    claims: list[Claim] = []
    received = plan.received_bytes
    for which, count in moves:
        if which < 3 and (claim := plan.claim(count)):
            claims.append(claim)
        elif which == 9 and claims and (taken := plan.take_over(claims[count % len(claims)])):
            claims.append(taken)
        elif claims and which < 8:
            claim = claims[which % len(claims)]
            received += min(count, claim.rest_bytes)
            plan.advance(claim, count)
        elif claims:
            plan.release(claims.pop(which % len(claims)))
        open_claims = [Span(claim.next, claim.end) for claim in claims if claim.rest_bytes]
        pieces = sorted([*plan.done, *plan._missing, *open_claims])
        assert sum(end - start for start, end in pieces) == size
        assert all(one.end <= other.start for one, other in itertools.pairwise(pieces))
        assert plan.received_bytes == received
        assert all(one.end < other.start for one, other in itertools.pairwise(plan.done))
    for claim in claims:
        plan.release(claim)
    while claim := plan.claim():
        plan.advance(claim, claim.rest_bytes)
        plan.release(claim)
    assert plan.complete
    assert plan.done == ((Span(0, size),) if size else ())
    assert plan.prefix_bytes == size


@given(known=spans())
def test_a_later_run_misses_exactly_what_this_one_did(known: tuple[int, list[Span]]) -> None:
    plan = Plan(*known)
    assert Plan(known[0], plan.done).done == plan.done


def test_claims_come_from_the_start_on_so_that_the_digest_can_follow() -> None:
    plan = Plan(100 * MB)
    starts = [claim.next for claim in (plan.claim(), plan.claim()) if claim]
    assert starts == sorted(starts)
    assert starts[0] == 0


def test_towards_the_end_claims_become_smaller_so_that_all_connections_come_there_together() -> None:
    missing = 160 * MB + 7
    plan = Plan(200 * MB, [Span(0, 40 * MB - 7)])
    claim = plan.claim(LARGEST_CLAIM_BYTES)
    assert claim is not None
    assert claim.rest_bytes == missing // 16


def test_what_is_missing_earlier_is_claimed_earlier() -> None:
    plan = Plan(100 * MB, [Span(40 * MB, 50 * MB)])
    claims = [plan.claim(5 * MB) for _ in range(3)]
    assert [claim.next for claim in claims if claim] == [0, 5 * MB, 10 * MB]


def test_a_crumb_behind_a_claim_is_taken_along() -> None:
    crumb = SMALLEST_CLAIM_BYTES
    for size, ends in ((4 * MB + crumb, 4 * MB + crumb), (4 * MB + crumb + 1, 4 * MB)):
        claim = Plan(size).claim_run(4 * MB)
        assert claim is not None
        assert claim.end == ends


def test_nothing_missing_is_no_claim() -> None:
    assert Plan(1000, [Span(0, 1000)]).claim_run() is None


def test_when_nothing_is_left_half_of_the_largest_rest_is_taken_over() -> None:
    plan = Plan(FIRST_CLAIM_BYTES)
    first = plan.claim_run()
    assert first is not None
    plan.advance(first, 2 * MB)
    second = plan.claim()
    assert second is not None
    assert (first.next, second.end) == (2 * MB, FIRST_CLAIM_BYTES)
    assert first.end == second.next
    assert abs(first.rest_bytes - second.rest_bytes) <= 1


def test_a_rest_that_is_not_worth_a_request_is_left_to_its_connection() -> None:
    plan = Plan(2 * SMALLEST_HALF_BYTES - 1)
    assert plan.claim() is not None
    assert plan.claim() is None
    plan = Plan(2 * SMALLEST_HALF_BYTES)
    assert plan.claim() is not None
    half = plan.claim()
    assert half is not None
    assert half.next == SMALLEST_HALF_BYTES
    assert isinstance(half.next, int)  # it travels in a Range header


def test_a_whole_rest_can_be_taken_over_but_not_that_of_a_claim_which_has_ended() -> None:
    plan = Plan(1000)
    dead = plan.claim_run()
    assert dead is not None
    plan.advance(dead, 600)
    taken = plan.take_over(dead)
    assert taken is not None
    assert (taken.next, taken.end, dead.rest_bytes) == (600, 1000, 0)
    plan.advance(dead, 100)  # it comes to life again: too late
    assert plan.received_bytes == 600
    plan.release(taken)
    assert plan.take_over(taken) is None
    assert not plan.complete


def test_bytes_beyond_the_end_of_a_claim_are_another_connections() -> None:
    plan = Plan(10 * MB)
    first = plan.claim_run()
    second = plan.claim()
    assert first is not None
    assert second is not None
    plan.advance(first, 10 * MB)  # it had read on before it learnt of the other
    assert plan.done == (Span(0, second.next),)


def test_a_file_of_unknown_size_is_one_claim_until_its_end() -> None:
    plan = Plan(None)
    claim = plan.claim_run()
    assert claim is not None
    plan.advance(claim, 10)
    assert (plan.received_bytes, plan.complete) == (10, False)
    plan.end_at(10)
    plan.release(claim)
    assert (plan.size_bytes, plan.complete, plan.done) == (10, True, (Span(0, 10),))


def test_a_faster_connection_claims_more() -> None:
    assert claim_bytes(0, 0.1) == SMALLEST_CLAIM_BYTES
    assert claim_bytes(5 * MB, 0.05) == 10 * MB
    assert claim_bytes(40 * MB, 0.0) == claim_bytes(40 * MB, 0.0025) == 4 * MB
    assert claim_bytes(5 * MB, 3.0) == 20 * MB
    assert claim_bytes(1e12, 0.1) == LARGEST_CLAIM_BYTES


def ramp_to_rest(rate_of: Callable[[int], float], *, most: int = 8, seconds: float = 5.0) -> ConnectionScaler:
    """A ramp on a line that gives this total rate to so many connections."""
    scaler = ConnectionScaler(answer_s=0.0)
    received = 0.0
    for tick in range(int(seconds * 10)):
        scaler.observe(int(received), tick / 10, settled=True, most=most)
        received += rate_of(scaler.wanted) / 10
    return scaler


def test_connections_are_added_while_each_brings_as_much_as_the_first() -> None:
    assert ramp_to_rest(lambda count: count * 50 * MB).wanted == 8


def test_a_line_that_four_connections_fill_gets_no_more() -> None:
    assert ramp_to_rest(lambda count: min(count, 4) * 10 * MB).wanted == 4


def test_never_more_connections_than_allowed() -> None:
    assert ramp_to_rest(lambda count: count * MB, most=3).wanted == 3
    assert ramp_to_rest(lambda count: count * MB, most=1).wanted == 1


def test_what_was_no_help_is_tried_again_later() -> None:
    tried: list[int] = []

    def line(count: int) -> float:
        tried.append(count)
        return 10.0 * MB

    ramp_to_rest(line, seconds=60)
    changes = [count for before, count in itertools.pairwise(tried) if count > before]
    assert len(changes) in {2, 3}  # after 10 s, after 20 s more


def test_a_server_that_turns_a_connection_away_gets_no_more_for_a_while() -> None:
    scaler = ramp_to_rest(lambda count: count * MB)
    scaler.refuse(working=3, now_s=5.0, wait_s=60.0)
    scaler.observe(0, 5.1, settled=True, most=8)
    scaler.observe(100 * MB, 64.0, settled=True, most=8)
    assert scaler.wanted == 3
    scaler.observe(200 * MB, 66.0, settled=True, most=8)
    assert scaler.wanted == 6


def test_while_a_connection_is_being_made_nothing_is_judged() -> None:
    scaler = ConnectionScaler(answer_s=0.0)
    for tick in range(100):
        scaler.observe(tick * MB, tick / 10, settled=False, most=8)
    assert scaler.wanted == 4


class Clock:
    """A time that passes only by waiting."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.mark.parametrize("piece", [1000, 100_000])
def test_a_limit_holds_over_a_while_and_lets_no_more_than_a_moment_pass_at_once(piece: int) -> None:
    clock = Clock()
    throttle = Throttle(clock.wait, clock)
    throttle.limit_bytes_per_s = MB
    for _ in range(10 * MB // piece):
        throttle.pace(piece)
    assert clock.now_s == pytest.approx(10, abs=0.3)
    clock.now_s += 3600
    before = clock.now_s
    for _ in range(MB // piece):
        throttle.pace(piece)
    assert clock.now_s - before > 0.7


def test_without_a_limit_nobody_waits() -> None:
    clock = Clock()
    throttle = Throttle(clock.wait, clock)
    throttle.pace(10**12)
    assert clock.now_s == 0.0
    assert throttle.piece_bytes(1000) == 1000


def test_a_low_limit_comes_in_small_pieces() -> None:
    clock = Clock()
    throttle = Throttle(clock.wait, clock)
    throttle.limit_bytes_per_s = 100_000
    assert throttle.piece_bytes(256 * 1024) == 5000


@pytest.mark.parametrize(
    ("text", "rate"), [("500k", 5e5), ("2.5 MB/s", 2.5e6), ("1G", 1e9), (" 3mb ", 3e6), ("10kB/s", 1e4)]
)
def test_a_rate_has_a_unit(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "5", "0k", "-1M", "fast", "1 Mbit/s", "k"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(DownloadError, check=coded(ErrorCode.SPEED_INVALID)):
        parse_rate(text)
