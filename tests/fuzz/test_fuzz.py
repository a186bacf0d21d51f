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
AWAITED = {
    "own-models/5000-digits": "models/catalog.py",
    "own-models/lists-in-lists": "models/catalog.py",
    "journals/absolute-path": "download/part.py",
    "journals/out-of-the-folder": "download/part.py",
    "journals/size-below-zero": "download/part.py",
    "journals/span-behind-the-file": "download/part.py",
    "journals/spans-backwards": "download/part.py",
    "journals": "download/part.py",
    "servers/5000-digits-in-content-length": "download/source.py",
    "servers/5000-digits-in-content-range": "download/source.py",
    "servers/5000-digits-in-x-linked-size": "download/source.py",
    "servers/location-that-is-none": "download/naming.py",
    "servers/letter-in-the-name-of-a-charset": "download/naming.py",
    "servers/nul-in-an-encoded-name": "download/naming.py",
    "servers": "download/naming.py",
    "requests/5000-digits": "gateway/openai.py",
    "requests/bytes-that-are-no-letters-in-an-unknown-field": "gateway/openai.py",
    "answers/bytes-that-are-no-letters": "gateway/faults.py",
    "answers/stream-that-is-no-json": "gateway/passthrough.py",
    "answers/stream-with-bytes-that-are-no-letters": "gateway/passthrough.py",
    "answers": "gateway/passthrough.py",
    "hosts/blank-in-a-host": "gateway/rules.py",
    "hosts/letters-that-no-host-has": "gateway/rules.py",
    "hosts/letters-that-no-host-has-and-another-method": "gateway/rules.py",
    "control-files/token-of-other-letters": "gateway/client.py",
}
"""Targets, and past failures as TARGET/NAME, that fail until this file is mended."""


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


def marks(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason=AWAITED[name], strict=True)] if name in AWAITED else []


@pytest.mark.parametrize(
    ("check", "path"),
    [
        pytest.param(target, path, id=name, marks=marks(name))
        for target in TARGETS
        for path in target.corpus()
        for name in [f"{target.name}/{path.name}"]
    ],
    indirect=["check"],
)
def test_what_once_broke_something_does_not(check: Check, path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.parametrize(
    ("check", "target"),
    [pytest.param(target, target, id=target.name, marks=marks(target.name)) for target in TARGETS],
    indirect=["check"],
)
def test_no_input_breaks_what_is_promised(check: Check, target: Target) -> None:
    reasons: list[str] = []
    with Watch(reasons.append).watching() as watch:
        Exploration(target, check, watch).run(SEED, target.short_run)
    assert not reasons


def test_every_past_failure_belongs_to_a_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == {target.name for target in TARGETS}
