"""What benchmarks make of their numbers, and whom they compare with."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks.__main__ import plot, table
from tests.benchmarks.bench_engines import pairs
from tests.benchmarks.compare import CannotCompareError, Comparison, compare
from tests.benchmarks.peers import Peer, python_peers
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


STATE = """
from collections import namedtuple
Result = namedtuple("Result", "name value unit")

def steps(*, full):
    yield Result("a step", {step_ms}, "ms")
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
