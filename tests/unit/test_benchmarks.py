"""What benchmarks make of their numbers."""

from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks.__main__ import plot, table
from tests.benchmarks.results import Result

FAST = Result("loopback: this app, verified", 812.4, "MB/s")
SLOW = Result("loopback: <curl>", 400.0, "MB/s")
LATE = Result("event loop late", 62.5, "ms", most=50)
WEAK = Result("as fast as aria2c", 1.25, "times", least=1.3)


@pytest.mark.parametrize(
    ("result", "reached", "number", "verdict"),
    [
        (FAST, True, "812 MB/s", ""),
        (LATE, False, "62.5 ms", "at most 50 ms: TOO MUCH"),
        (WEAK, False, "1.25 times", "at least 1.3 times: TOO LITTLE"),
        (Result("ratio", 1.3, "times", least=1.3), True, "1.30 times", "at least 1.3 times: ok"),
        (Result("idle", 0.14, "% of core", most=0.2), True, "0.14 % of core", "at most 0.2 % of core: ok"),
    ],
)
def test_a_result_says_whether_its_goal_is_reached(
    result: Result, reached: bool, number: str, verdict: str
) -> None:
    assert (result.reached, result.number, result.verdict) == (reached, number, verdict)


def test_a_plot_has_a_bar_for_each_number_and_its_longest_for_the_largest() -> None:
    picture = ET.fromstring(plot("download", [FAST, SLOW]))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.attrib["width"]) for bar in picture.iter(f"{space}rect")][1:]
    texts = [text.text for text in picture.iter(f"{space}text")]

    assert widths[0] / widths[1] == pytest.approx(FAST.value / SLOW.value, abs=0.01)
    assert {FAST.name, SLOW.name, "812 MB/s", "400 MB/s"} <= set(texts)


def test_the_page_names_its_command_and_has_every_number() -> None:
    page = table({"download": [FAST], "desktop": [LATE]}, full=True)

    assert "`python3 dev.py bench --full --save`" in page
    assert "| event loop late | 62.5 ms | at most 50 ms: TOO MUCH |" in page
    assert "![download](download.svg)" in page
