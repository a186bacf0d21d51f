"""What benchmarks make of their numbers, and whom they compare with."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks.__main__ import save
from tests.benchmarks.bench_engines import pairs
from tests.benchmarks.compare import CannotCompareError, Comparison, compare
from tests.benchmarks.page import picture, section, with_section
from tests.benchmarks.peers import Peer, python_peers
from tests.benchmarks.results import Curve, Note, Result, reached, shown
from tests.fakes.documents import BENCHMARKS

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


def drawn(picture: str | None, tag: str) -> list[ET.Element]:
    assert picture
    return list(ET.fromstring(picture).iter(f"{{http://www.w3.org/2000/svg}}{tag}"))  # noqa: S314 - our own


def points(picture: str | None) -> list[tuple[float, float]]:
    """The points of the only line."""
    (line,) = drawn(picture, "polyline")
    pairs = (pair.split(",") for pair in line.attrib["points"].split())
    return [(float(x), float(y)) for x, y in pairs]


def test_a_part_has_a_bar_for_each_number_and_its_longest_for_the_largest() -> None:
    bars = picture("download", [FAST, SLOW, Note("curl 7.88.1.")])
    _, ours, others = drawn(bars, "rect")
    texts = [text.text for text in drawn(bars, "text")]

    assert float(ours.attrib["width"]) / float(others.attrib["width"]) == pytest.approx(
        FAST.value / SLOW.value, abs=0.01
    )
    assert ours.attrib["fill"] != others.attrib["fill"]
    assert texts == ["Download", "MB/s", FAST.name, "812 MB/s", SLOW.name, "400 MB/s"]


def test_numbers_of_each_unit_have_their_own_scale_with_their_goals() -> None:
    bars = picture("desktop", [LATE, Result("idle", 0.05, "% of core", most=0.2)])
    late, late_goal, idle, idle_goal = (
        {name: float(rect.attrib[name]) for name in ("x", "width")} for rect in drawn(bars, "rect")[1:]
    )

    ends = [each["x"] + each["width"] for each in (late, late_goal, idle, idle_goal)]
    assert ends[0] == pytest.approx(ends[3] - 1, abs=0.2)  # the largest of each scale
    assert ends[1] < ends[0]
    assert idle["width"] == pytest.approx((idle_goal["x"] + 1 - idle["x"]) / 4, abs=0.2)
    assert [text.text for text in drawn(bars, "text")][-3:] == ["idle", "0.05 % of core", "at most 0.2"]


def test_a_number_below_zero_has_its_bar_on_the_other_side() -> None:
    _, saved, added = drawn(
        picture("gateway", [Result("saved", -40, "ms"), Result("added", 20, "ms")]), "rect"
    )

    assert float(saved.attrib["width"]) == pytest.approx(2 * float(added.attrib["width"]), abs=0.2)
    assert float(saved.attrib["x"]) + float(saved.attrib["width"]) == pytest.approx(
        float(added.attrib["x"]), abs=0.2
    )


def test_no_text_of_a_picture_is_cut_off() -> None:
    long = "one of eight connections 20 x slower, over a line with latency: this app, verified, its memory"
    bars = picture("download", [Result(long, 12_345.6, "million lines/s", least=20_000)])

    for text in drawn(bars, "text"):
        begin, width = float(text.attrib["x"]), 6.0 * len(text.text or "")
        ends = begin - width if text.attrib["text-anchor"] == "end" else begin + width
        assert min(begin, ends) >= 0
        assert max(begin, ends) <= 960


def test_what_grows_is_drawn_as_lines_on_which_ten_times_is_always_as_far() -> None:
    linear = Curve("lists: time of a list", "ms", "texts", ((1, 2.0), (10, 20.0), (100, 200.0)))
    lines = picture("growth", [linear, Result("lists: each", 1.0, "times", 1.1)])
    (x0, y0), (x1, y1), (x2, y2) = points(lines)
    texts = {text.text for text in drawn(lines, "text")}

    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert y1 < y0
    assert {"Texts: time", "texts", "ms", "time of a list", "1", "10", "100"} <= texts


def test_few_sizes_are_drawn_on_axes_from_zero() -> None:
    idle = Curve("engines: processor while idle", "% of core", "engines", ((1, 0.0), (2, 2.0), (3, 4.0)))
    lines = picture("growth", [idle])
    (_, y0), (_, y1), (_, y2) = points(lines)

    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert {"0", "1", "2", "3", "4"} <= {text.text for text in drawn(lines, "text")}


def test_a_part_without_numbers_has_no_picture() -> None:
    findings = [Note("No other engine is installed.")]

    assert picture("engines", findings) is None
    assert "svg" not in section("engines", findings, full=False, when="today")


def test_a_section_names_its_command_and_its_day_and_has_every_number_and_note() -> None:
    written = section("desktop", [LATE, Note("Qt 6.11.1.")], full=True, when="2026-11-26: Linux")

    assert written.startswith(
        "## Desktop\n\nWritten by `python3 dev.py bench --full --save desktop` on 2026-11-26: Linux.\n"
    )
    assert "\n| event loop late | 62.5 ms | at most 50 ms: TOO MUCH |\n" in written
    assert "\n![desktop](desktop.svg)\n" in written
    assert written.endswith("\n\nQt 6.11.1.\n")


def test_a_section_has_the_numbers_of_curves() -> None:
    curve = Curve("models: memory", "MiB", "models", ((1, 75.84), (1000, 123.4)))

    written = section("growth", [curve], full=False, when="today")

    assert "\n| models: memory | 1: 75.8, 1,000: 123 MiB |  |\n" in written


def test_what_is_saved_replaces_its_own_section_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "docs" / "README.md"
    monkeypatch.setattr(bench, "DOCS", page.parent)
    gone = "## Of a part that is gone\n\n| what | result | goal |\n| --- | --- | --- |\n| a | 1.00 s |  |\n"

    save("desktop", [LATE, Note("Qt 6.10.")], full=True)
    page.write_text(page.read_text(encoding="utf-8") + "\n" + gone, encoding="utf-8")
    save("download", [FAST], full=False)
    downloaded = page.read_text(encoding="utf-8").split("## ")[1]
    save("desktop", [WEAK], full=False)
    saved = page.read_text(encoding="utf-8")

    assert [line for line in saved.splitlines() if line.startswith("#")] == [
        "# Benchmarks",
        "## Download",
        "## Desktop",
        "## Of a part that is gone",
    ]
    assert saved.split("## ")[1] == downloaded
    assert FAST.number in downloaded
    assert WEAK.number in saved
    assert LATE.number not in saved
    assert "Qt 6.10" not in saved
    assert saved.endswith("\n\n" + gone)
    assert {file.name for file in page.parent.iterdir()} == {"README.md", "download.svg", "desktop.svg"}


def test_the_saved_page_is_as_saving_leaves_it() -> None:
    page = BENCHMARKS.read_text(encoding="utf-8")
    first = page[page.index("\n## ") + 1 :].split("\n## ")[0]

    assert with_section(page, first, list(bench.PARTS)) == page


def test_findings_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    findings = (FAST, Note("curl 7.88.1."), LATE)

    assert shown(findings, indent="  ") == list(findings)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["loopback:", "curl", "event"]
    assert not reached(findings)
    assert reached(findings[:2])


STATE = """
from collections import namedtuple
Result = namedtuple("Result", "name value unit")
Note = namedtuple("Note", "text")
Curve = namedtuple("Curve", "name unit of points")

def steps(*, full):
    yield Result("a step", {step_ms}, "ms")
    yield Note("of {name}")
    yield Curve("memory", "MiB", "texts", ((1, 2.0), (2048, {step_ms})))
    yield Result("lost", 0.0, "bytes")
    yield Result({name!r}, 3.0 if full else 2.0, "times")

PARTS = {parts}
"""


class Repository:
    """One with benchmarks that take no time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.page = root / "tests" / "benchmarks" / "__main__.py"
        self.page.parent.mkdir(parents=True)
        for package in self.page.parents[:2]:
            (package / "__init__.py").touch()
        (root / ".gitignore").write_text("__pycache__\n", encoding="utf-8")
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=Zoë", "-c", "user.email=zoe@example.com"]
        command = ["git", *who, *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout

    def write(self, step_ms: float, name: str, lock: str, parts: str) -> None:
        self.page.write_text(STATE.format(step_ms=step_ms, name=name, parts=parts), encoding="utf-8")
        (self.root / "requirements.lock").write_text(lock, encoding="utf-8")

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "A state")
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_two_states_are_compared_by_ratios(repository: Repository) -> None:
    repository.write(8.0, "of old", "typer==1", "{'steps': steps}")
    commit = repository.commit()
    repository.write(2.0, "of new", "typer==1", "{'steps': steps, 'more': steps}")

    lines = list(compare(repository.root, commit, ["steps", "more"], full=False))

    assert lines[0].startswith(f"This tree by {commit[:7]}")
    (step,) = (line.split() for line in lines if "a step" in line)
    assert step == ["a", "step", "[ms]", "8", "2", "0.250", "(0.250", "to", "0.250)", "less"]
    (memory,) = (line.split() for line in lines if "memory" in line and "2,048" in line)
    assert memory[:8] == ["memory", "at", "2,048", "texts", "[MiB]", "8", "2", "0.250"]
    (lost,) = (line.split() for line in lines if "lost" in line)
    assert lost == ["lost", "[bytes]", "0", "0", "-"]
    assert "  of new [times]: only here, or not in every round" in lines
    assert "  of old [times]: only there, or not in every round" in lines
    assert lines[-2:] == ["\nmore", f"  {commit} does not have this part."]


def test_a_comparison_leaves_nothing_behind(repository: Repository) -> None:
    repository.write(1.0, "", "", "{}")
    commit = repository.commit()

    list(compare(repository.root, commit, [], full=False))

    assert len(repository.git("worktree", "list").splitlines()) == 1
    assert repository.git("status", "--short") == ""


def test_a_comparison_says_that_the_packages_were_others(repository: Repository) -> None:
    repository.write(1.0, "", "typer==1", "{}")
    repository.commit()
    assert not any("requirements" in line for line in compare(repository.root, "HEAD", [], full=False))

    repository.write(1.0, "", "typer==2", "{}")
    assert any(
        "requirements.lock differ" in line for line in compare(repository.root, "HEAD", [], full=False)
    )


def test_what_cannot_be_compared_is_said(repository: Repository) -> None:
    repository.write(1.0, "", "", "{'steps': steps}")
    repository.commit()
    with pytest.raises(CannotCompareError, match="there is no commit yesterday"):
        next(compare(repository.root, "yesterday", ["steps"], full=False))

    repository.page.write_text("raise OSError('no disk')", encoding="utf-8")
    with pytest.raises(CannotCompareError, match="no disk"):
        list(compare(repository.root, "HEAD", ["steps"], full=False))

    repository.git("rm", "--quiet", "-r", "--force", "tests")
    repository.commit()
    with pytest.raises(CannotCompareError, match="HEAD has no benchmarks"):
        list(compare(repository.root, "HEAD", ["steps"], full=False))


@pytest.mark.parametrize(
    ("less", "equal", "more", "verdict"),
    [
        (9, 0, 0, "less"),
        (8, 0, 1, "less"),
        (7, 0, 2, "no clear difference"),
        (2, 0, 7, "no clear difference"),
        (1, 0, 8, "more"),
        (0, 9, 0, "no clear difference"),
        (0, 3, 6, "more"),
    ],
)
def test_states_differ_if_more_rounds_agree_than_by_chance(
    less: int, equal: int, more: int, verdict: str
) -> None:
    ours = [*[1.0] * less, *[2.0] * equal, *[3.0] * more]

    assert Comparison("a step", ours, [2.0] * len(ours)).verdict == verdict


def test_a_ratio_has_the_middle_half_of_the_rounds() -> None:
    shown = str(Comparison("a step", [1.0, 2.0, 3.0, 4.0, 500.0], [2.0] * 5))

    assert " ".join(shown.split()) == "a step 2 3 1.500 (1.000 to 2.000) no clear difference"


def test_engines_are_compared_with_the_native_build_as_people_and_as_the_app_start_it() -> None:
    assert pairs(["native", "fastembed", "built-in", "the app's choice", "native in the app"]) == [
        ("fastembed", "native"),
        ("built-in", "native"),
        ("the app's choice", "native"),
        ("native in the app", "native"),
        ("built-in", "native in the app"),
        ("the app's choice", "native in the app"),
    ]
    assert pairs(["built-in", "the app's choice"]) == [("the app's choice", "built-in")]
    assert pairs(["built-in"]) == []


def test_no_peer_is_measured_that_a_python_does_not_have() -> None:
    assert python_peers(Path(sys.executable)) == []


def test_a_peer_that_ends_at_its_start_is_told_with_how_it_ended() -> None:
    peer = Peer("crashing", "1", lambda *_: [sys.executable, "-c", "raise SystemExit(3)"])

    with (
        pytest.raises(ChildProcessError, match=r"crashing.*: 3"),
        peer.serving(Path("model.gguf"), embeds=True, patience_s=60),
    ):
        pytest.fail("it does not serve")
