"""What benchmarks make of their numbers."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks.__main__ import plot, save
from tests.benchmarks.compare import CannotCompareError, Comparison, compare
from tests.benchmarks.page import section, with_section
from tests.benchmarks.results import Note, Result, reached, shown
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


def test_a_plot_has_a_bar_for_each_number_and_its_longest_for_the_largest() -> None:
    picture = ET.fromstring(plot("download", [FAST, SLOW]))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.attrib["width"]) for bar in picture.iter(f"{space}rect")][1:]
    texts = [text.text for text in picture.iter(f"{space}text")]

    assert widths[0] / widths[1] == pytest.approx(FAST.value / SLOW.value, abs=0.01)
    assert {FAST.name, SLOW.name, "812 MB/s", "400 MB/s"} <= set(texts)


def test_a_section_names_its_command_and_its_day_and_has_every_number_and_note() -> None:
    written = section("desktop", [LATE, Note("Qt 6.11.1.")], full=True, when="2026-11-26: Linux")

    assert written.startswith(
        "## Desktop\n\nWritten by `python3 dev.py bench --full --save desktop` on 2026-11-26: Linux.\n"
    )
    assert "\n| event loop late | 62.5 ms | at most 50 ms: TOO MUCH |\n" in written
    assert "\n![desktop](desktop.svg)\n" in written
    assert written.endswith("\n\nQt 6.11.1.\n")


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

def steps(*, full):
    yield Result("a step", {step_ms}, "ms")
    yield Note("of {name}")
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
