from tray_app.engine.probe import QuietWatch
from tray_app.system.process import Usage


def test_an_engine_that_does_nothing_is_quiet_for_too_long_at_the_limit() -> None:
    watch = QuietWatch(limit_s=120, busy_at_s=1000)
    assert not watch.exceeded(Usage(0, 0), 0, 1119)
    assert watch.exceeded(Usage(0, 0), 0, 1120)


def test_printing_reading_and_computing_each_move_the_deadline() -> None:
    for usage, lines in ((Usage(0, 0), 1), (Usage(0, 4096), 0), (Usage(0.2, 0), 0)):
        watch = QuietWatch(limit_s=120, busy_at_s=1000)
        watch.exceeded(Usage(0, 0), 0, 1099)
        assert not watch.exceeded(usage, lines, 1100)
        assert not watch.exceeded(usage, lines, 1219)
        assert watch.exceeded(usage, lines, 1220)


def test_the_little_that_an_idle_powerinfer_computes_does_not_count() -> None:
    watch = QuietWatch(limit_s=120, busy_at_s=0)
    looks = [watch.exceeded(Usage(0.01 * second, 0), 0, second) for second in range(1, 121)]
    assert looks.index(True) == 119
