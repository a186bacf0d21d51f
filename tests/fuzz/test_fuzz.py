"""What once broke something, and the first random inputs for each target: the same ones in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import ending_its_threads
from tests.fuzz.harness import CORPUS, Exploration, Watch
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fuzz.harness import Target

    Check = Callable[[bytes], None]

SEED = 10


@pytest.fixture(autouse=True, scope="module")
def no_thread_is_left() -> Iterator[None]:
    """The threads of a target serve all of its inputs: none may be left after the last."""
    with ending_its_threads():
        yield


@pytest.fixture(scope="module")
def check(request: pytest.FixtureRequest) -> Iterator[Check]:
    """What the inputs of a target are given to; set up once for all of them."""
    with request.param.ready() as ready:
        yield ready


@pytest.mark.parametrize(
    ("check", "path"),
    [
        pytest.param(target, path, id=f"{target.name}/{path.name}")
        for target in TARGETS
        for path in target.corpus()
    ],
    indirect=["check"],
)
def test_what_once_broke_something_does_not(check: Check, path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.parametrize(
    ("check", "target"),
    [pytest.param(target, target, id=target.name) for target in TARGETS],
    indirect=["check"],
)
def test_no_input_breaks_what_is_promised(check: Check, target: Target) -> None:
    reasons: list[str] = []
    with Watch(reasons.append).watching() as watch:
        Exploration(target, check, watch).run(SEED, target.short_run)
    assert not reasons


def test_every_past_failure_belongs_to_a_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == {target.name for target in TARGETS}
