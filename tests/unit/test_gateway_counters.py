from __future__ import annotations

import re

import pytest

from tray_app.gateway.counters import REMEMBERED_REQUESTS, Counters, Traffic
from tray_app.gateway.metrics import prometheus_text


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counters(clock: Clock) -> Counters:
    return Counters(clock)


def request(counters: Counters, clock: Clock, took_s: float, status: int | None = 200) -> None:
    began_s = counters.begin()
    clock.now_s += took_s
    counters.end(began_s, status)


def test_nothing_asked_is_nothing_counted(counters: Counters) -> None:
    assert counters.snapshot() == Traffic()


def test_requests_errors_and_clients_that_left_are_told_apart(counters: Counters, clock: Clock) -> None:
    for status in (200, 400, 503, None):
        request(counters, clock, 0.1, status)
    counters.begin()
    traffic = counters.snapshot()
    assert (traffic.requests, traffic.errors, traffic.active) == (4, 2, 1)


def test_percentiles_are_those_of_the_last_requests(counters: Counters, clock: Clock) -> None:
    for _ in range(REMEMBERED_REQUESTS):
        request(counters, clock, 5)
    for millisecond in range(REMEMBERED_REQUESTS):
        request(counters, clock, millisecond / 1000)
    traffic = counters.snapshot()
    assert traffic.latency_p50_ms == pytest.approx(500, abs=1)
    assert traffic.latency_p95_ms == pytest.approx(950, abs=1)
    assert traffic.latency_p99_ms == pytest.approx(990, abs=1)


def test_rates_are_those_of_the_last_ten_seconds(counters: Counters, clock: Clock) -> None:
    counters.tokens("m", 1000, 0)
    clock.now_s += 60
    for _ in range(5):
        request(counters, clock, 1)
        counters.tokens("m", 10, 20)
    traffic = counters.snapshot()
    assert (traffic.tokens_per_s, traffic.requests_per_s) == (15.0, 0.5)
    assert (traffic.prompt_tokens, traffic.completion_tokens) == (1050, 100)


def test_each_model_is_counted_for_itself_and_all_together(counters: Counters, clock: Clock) -> None:
    for model_id, status in (("a", 200), ("a", 502), ("b", 200)):
        began_s = counters.begin()
        served_s = counters.begin_at(model_id)
        counters.tokens(model_id, 2, 3)
        clock.now_s += 1
        counters.end_at(model_id, served_s, status)
        counters.end(began_s, status)
    counters.begin_at("b")
    request(counters, clock, 1, 404)  # which got no engine
    both = counters.of_models()
    assert {name: (each.requests, each.errors, each.active) for name, each in both.items()} == {
        "a": (2, 1, 0),
        "b": (1, 0, 1),
    }
    assert [each.completion_tokens for each in both.values()] == [6, 3]
    assert both["a"].latency_sum_s == 2
    whole = counters.snapshot()
    assert (whole.requests, whole.errors, whole.prompt_tokens) == (4, 2, 6)


def test_prometheus_gets_lines_that_it_can_read(counters: Counters, clock: Clock) -> None:
    request(counters, clock, 0.25)
    counters.tokens('a "b"\\c\nd', 3, 4)
    text = prometheus_text(counters.snapshot(), counters.of_models(), ready=True)
    label = r'\{(quantile="[\d.]+"|model="([^"\\\n]|\\[\\"n])*")\}'
    sample = rf"powerinfer_tray_[a-z_]+({label})? [\d.e+-]+"
    for line in text.splitlines():
        assert re.fullmatch(rf"# (HELP|TYPE) powerinfer_tray_.+|{sample}", line), line
    assert "powerinfer_tray_requests_total 1\n" in text
    assert 'powerinfer_tray_request_seconds{quantile="0.5"} 0.25\n' in text
    assert "powerinfer_tray_completion_tokens_total 4\n" in text
    assert "powerinfer_tray_engine_ready 1\n" in text
    assert r'powerinfer_tray_model_completion_tokens_total{model="a \"b\"\\c\nd"} 4' + "\n" in text
