import pytest

from tests.fakes.errors import coded
from tests.fakes.scripted_engine import engine_that_answers
from tray_app.engine.access import Address
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.probe import QuietWatch, answers_probe, probe_request_for
from tray_app.errors import EngineError, ErrorCode
from tray_app.gateway.upstream import Upstream
from tray_app.models.header import Purpose
from tray_app.system.process import ProcessUsage

IDLE = ProcessUsage(0, 0)


def address_of(engine: Upstream) -> Address:
    return Address("127.0.0.1", int(engine.base_url.rpartition(":")[2]))


def test_an_engine_that_does_nothing_is_quiet_for_too_long_at_the_limit() -> None:
    watch = QuietWatch(limit_s=120, seen_at_s=1000)
    looks = [watch.exceeded(IDLE, 0, 1000 + second) for second in range(1, 121)]
    assert looks.index(True) == 119


def test_printing_reading_and_computing_each_move_the_deadline() -> None:
    for usage, lines in ((IDLE, 1), (ProcessUsage(0, 4096), 0), (ProcessUsage(5, 0), 0)):
        watch = QuietWatch(limit_s=120, seen_at_s=1000)
        assert not watch.exceeded(IDLE, 0, 1050)
        assert not watch.exceeded(usage, lines, 1100)
        assert not watch.exceeded(usage, lines, 1150)
        assert not watch.exceeded(usage, lines, 1200)
        assert watch.exceeded(usage, lines, 1220)


def test_the_little_that_an_idle_powerinfer_computes_does_not_count() -> None:
    watch = QuietWatch(limit_s=120, seen_at_s=0)
    looks = [watch.exceeded(ProcessUsage(0.01 * second, 0), 0, second) for second in range(1, 121)]
    assert looks.index(True) == 119


def test_the_sleep_of_the_machine_is_not_the_engines() -> None:
    watch = QuietWatch(limit_s=10, seen_at_s=0)
    assert not watch.exceeded(IDLE, 0, 4)
    assert not watch.exceeded(IDLE, 0, 8 * 3600)
    assert watch.watched_s == 9
    assert watch.exceeded(IDLE, 0, 8 * 3600 + 1)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>", "Its answer is not valid."),
        (500, b'{"error": {"message": "no pooling"}}', "no pooling"),
        (500, b'{"error": {"message": "\xff"}}', "It answered with HTTP status 500."),
        (500, b"oops", "It answered with HTTP status 500."),
    ],
)
def test_an_answer_that_is_no_embedding_is_told(status: int, body: bytes, reason: str) -> None:
    with engine_that_answers(body, status=status) as engine, pytest.raises(EngineError) as refused:
        answers_probe(probe_request_for(EngineKind.LLAMA_SERVER, Purpose.CHAT), address_of(engine))
    assert refused.value.message == reason


@pytest.mark.parametrize("score", [b"0.25", b"-3"])
def test_a_model_that_ranks_is_asked_for_a_score(score: bytes) -> None:
    body = b'{"results": [{"index": 0, "relevance_score": ' + score + b"}]}"
    with engine_that_answers(body) as engine:
        assert answers_probe(probe_request_for(EngineKind.LLAMA_CPP, Purpose.RERANK), address_of(engine))


def test_scores_that_are_no_numbers_are_told() -> None:
    with (
        engine_that_answers(b'{"results": [{"relevance_score": null}]}') as engine,
        pytest.raises(EngineError, check=coded(ErrorCode.MODEL_NOT_USABLE), match="rank"),
    ):
        answers_probe(probe_request_for(EngineKind.LLAMA_CPP, Purpose.RERANK), address_of(engine))
