"""A warning that nobody expects fails the test in which it is logged."""

import logging

import pytest

from tests.expected_warnings import WarningCollector, unexpected

pytest_plugins = ["pytester"]


def test_warnings_and_worse_are_collected_and_nothing_else() -> None:
    collector = WarningCollector()
    logger = logging.getLogger("tray_app.of_this_test")
    logger.addHandler(collector)
    logger.propagate = False
    logger.info("fine")
    logger.warning("Run %d hangs", 3)
    logger.error("broken")
    assert collector.lines == ["tray_app.of_this_test: Run 3 hangs", "tray_app.of_this_test: broken"]


def test_only_what_a_pattern_names_is_expected() -> None:
    lines = ["tray_app.engine.run: The engine of run main-1 does not answer", "tray_app.x: broken"]
    assert unexpected(lines, [r"run \S+ does not answer"]) == ["tray_app.x: broken"]
    assert unexpected(lines, []) == lines


@pytest.mark.warns("It hangs")
@pytest.mark.parametrize(
    ("mark", "outcome"),
    [
        ("", {"passed": 1, "errors": 1}),
        ("@pytest.mark.warns('hangs')", {"passed": 1}),
        ("@pytest.mark.warns('another')", {"passed": 1, "errors": 1}),
    ],
)
def test_a_test_in_which_the_app_warns_fails_unless_it_says_so(
    pytester: pytest.Pytester, mark: str, outcome: dict[str, int]
) -> None:
    pytester.makeini("[pytest]\nmarkers = warns")
    pytester.makeconftest("from tests.expected_warnings import no_unexpected_warning")
    test = f"{mark}\ndef test_it():\n    logging.getLogger('tray_app.x').warning('It hangs')\n"
    pytester.makepyfile(f"import logging, pytest\n{test}")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(**outcome)
