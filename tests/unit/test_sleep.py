import time

import pytest

from tray_app.system.sleep import SleepWatch, wall_clock_s

NIGHT_S = 8 * 3600


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("awake_s", "wall_s", "slept"),
    [
        (10, 10, False),
        (1, NIGHT_S, True),  # Linux, macOS
        (NIGHT_S, NIGHT_S, True),  # Windows
        (10.2, 9.9, False),
        (10, -3600, False),  # the clock was set back
        (10, 12, False),  # corrected by the network
        (14, 14, False),  # a busy machine
    ],
)
def test_sleep_is_told_from_time(awake_s: float, wall_s: float, *, slept: bool) -> None:
    awake, wall = Clock(100), Clock(5000)
    watch = SleepWatch(10, awake, wall)
    awake.now_s += awake_s
    wall.now_s += wall_s
    assert watch.has_slept() is slept
    assert not watch.has_slept()


def test_the_clocks_of_this_machine_agree_while_it_is_awake() -> None:
    watch = SleepWatch(10, time.monotonic)
    assert not watch.has_slept()
    assert wall_clock_s() <= wall_clock_s()
