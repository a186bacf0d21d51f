import pytest

from tray_app.engine.load_limits import LoadLimits, LoadWatch, SpinWatch, load_limits_for
from tray_app.models.memory import GIB
from tray_app.system.process import ProcessUsage

ALLOWED = LoadLimits(memory_bytes=5 * GIB, silent_cpu_s=100)


def excess_after(seconds: int, cpu_per_s: float, lines_per_s: int = 0, read_per_s: int = 0) -> str:
    watch = LoadWatch(ALLOWED, seen_at_s=0)
    for second in range(1, seconds + 1):
        usage = ProcessUsage(cpu_per_s * second, read_per_s * second, GIB)
        if reason := watch.excess(usage, lines_per_s * second, second):
            return f"{second}: {reason}"
    return ""


def test_computing_without_a_sign_is_too_much_at_the_limit() -> None:
    assert excess_after(200, cpu_per_s=1).startswith("101: While loading, it was busy for 101 seconds")


@pytest.mark.parametrize("signs", [{"lines_per_s": 1}, {"read_per_s": 4096}])
def test_loading_may_take_any_time_as_long_as_it_shows(signs: dict[str, int]) -> None:
    assert excess_after(10_000, cpu_per_s=1, **signs) == ""


def test_many_cores_at_once_count_as_one_and_a_busy_machine_counts_less() -> None:
    assert excess_after(100, cpu_per_s=64) == ""
    assert excess_after(400, cpu_per_s=0.2) == ""


def test_the_sleep_of_the_machine_is_no_computing() -> None:
    watch = LoadWatch(ALLOWED, seen_at_s=0)
    assert watch.excess(ProcessUsage(1, 0), 0, 1) is None
    assert watch.excess(ProcessUsage(2, 0), 0, 8 * 3600) is None


def test_memory_beyond_the_limit_is_too_much_at_once() -> None:
    watch = LoadWatch(ALLOWED, seen_at_s=0)
    assert watch.excess(ProcessUsage(1, 0, 5 * GIB), 1, 1) is None
    assert str(watch.excess(ProcessUsage(1, 0, 6 * GIB), 2, 2)) == "It used 6.0 GiB of memory while loading."


def test_the_limits_are_far_above_what_a_model_needs() -> None:
    small = load_limits_for(100 << 20, 8 * GIB, may_use_cards=False, has_extras=False)
    assert (small.memory_bytes, round(small.silent_cpu_s)) == (4 * GIB + (200 << 20), 122)
    large = load_limits_for(40 * GIB, 64 * GIB, may_use_cards=True, has_extras=False)
    assert (large.memory_bytes, large.silent_cpu_s) == (84 * GIB, 1700)


def test_extra_arguments_may_ask_for_more_memory() -> None:
    limits = load_limits_for(100 << 20, 64 * GIB, may_use_cards=False, has_extras=True)
    assert limits.memory_bytes == 48 * GIB


def test_an_engine_that_computes_over_nothing_is_noticed_and_an_idle_one_is_not() -> None:
    watch = SpinWatch(60, 0, ProcessUsage(0, 0, GIB))
    busy = [watch.look(ProcessUsage(0.3 * second, 0, GIB), second) for second in range(1, 220)]
    assert all(busy)
    assert watch.exceeded
    assert not SpinWatch(60, 0, ProcessUsage(0, 0)).look(ProcessUsage(0.01, 0), 1)


def test_memory_that_grows_over_nothing_is_noticed() -> None:
    watch = SpinWatch(60, 0, ProcessUsage(0, 0, GIB))
    watch.look(ProcessUsage(1, 0, 4 * GIB), 1)
    assert not watch.exceeded
    watch.look(ProcessUsage(2, 0, 6 * GIB), 2)
    assert watch.exceeded
