"""What the terminal shows of names that strangers gave, and nothing that they would like it to do."""

from __future__ import annotations

import io
import re
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.fakes.app import make_sleeping, make_status, with_engines
from tray_app.cli import main
from tray_app.cli.common import do_long_work
from tray_app.cli.output import echo
from tray_app.cli.progress import ProgressBars, ServeView, WorkBar, plain_console
from tray_app.download.progress import Phase, Progress
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, ModelError
from tray_app.gateway.control.commands import Measured
from tray_app.phrases import visible
from tray_app.settings.schema import Settings

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.gateway.control.commands import Cancellation, Tell

NAME = "[red]a[/] [link=http://x]:smile:[/link].gguf"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (NAME, NAME),
        ("a\x1b[31mb\x07", "a\\x1b[31mb\\x07"),
        ("a\x9b31m", "a\\x9b31m"),
        ("a\rb", "a\\rb"),
        ("fugg.\u202efile", "fugg.\\u202efile"),
        ("a\u200bb\u2028c", "a\\u200bb\\u2028c"),
        ("\udc83.gguf", "\\udc83.gguf"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("日本語 می‌خواهم 👩‍💻 a\u00a0b", "日本語 می‌خواهم 👩‍💻 a\u00a0b"),
    ],
)
def test_what_would_steer_the_terminal_is_made_visible(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert visible(text) == shown
    echo(text)
    assert capsys.readouterr().out == f"{shown}\n"


@pytest.mark.parametrize(
    ("status", "why", "then"),
    [
        (make_sleeping(), "there were no requests", "the next request starts it"),
        (
            make_sleeping(on_demand=False),
            "there were no requests",
            "to start it, run: powerinfer-tray start",
        ),
        (
            with_engines(make_sleeping(on_demand=False), made_room=True),
            "its model was unloaded",
            "the next request starts it",
        ),
    ],
    ids=("idle on demand", "idle", "unloaded"),
)
def test_serve_says_why_the_server_sleeps_and_what_wakes_it(status: AppStatus, why: str, then: str) -> None:
    printed = io.StringIO()
    ServeView(Console(file=printed, width=200)).show_status(status)
    assert printed.getvalue() == f"The server is asleep because {why} ({then}).\n"


@pytest.mark.parametrize(("network", "shown"), [("local", False), ("lan", True)])
def test_the_line_to_try_has_a_place_for_the_key_where_one_is_needed(
    network: Literal["local", "lan"], *, shown: bool
) -> None:
    printed = io.StringIO()
    status = make_status(State.READY, settings=Settings(model="bamboo", network=network))
    ServeView(Console(file=printed, width=300)).show_status(status)
    assert ("-H 'Authorization: Bearer YOUR_API_KEY'" in printed.getvalue()) is shown


@given(st.text())
def test_any_text_can_be_printed_and_does_nothing(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)


def progress(name: str) -> Progress:
    return Progress(
        1, name, Phase.DOWNLOADING, 50, 100, 1.0, 1.0, Path(name), resumed=False, sha256=None, error=None
    )


@pytest.mark.parametrize("terminal", [False, True])
def test_a_name_in_markup_is_shown_as_it_is_in_bars_and_lines(
    *, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system=None, width=200, markup=False)
    with ProgressBars(console) as bars:
        bars.show((progress(NAME),))
        bars.say(NAME)
    assert out.getvalue().count(NAME) >= 2 - terminal  # live bars are drawn when there is time

    if terminal:
        with WorkBar(console, f"Importing {NAME}"):
            pass
        assert f"Importing {NAME}" in out.getvalue()


def test_a_console_of_ours_takes_nothing_for_markup_or_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    plain_console().print(NAME)
    assert capsys.readouterr().out == f"{NAME}\n"


def test_every_command_prints_through_the_one_place_that_makes_texts_visible() -> None:
    modules = sorted(Path(main.__file__).parent.glob("*.py"))
    assert "models.py" in {module.name for module in modules}
    for module in modules:
        source = module.read_text(encoding="utf-8")
        assert module.name in ("output.py", "progress.py") or not re.findall(
            r"typer\.echo|(?<![\w_])Console\(|(?<![\w.])print\(", source
        ), module.name


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot raise Ctrl-C in itself there")
@pytest.mark.parametrize("inherited", [signal.default_int_handler, signal.SIG_IGN])
def test_the_first_ctrl_c_cancels_long_work_and_the_second_ends_the_command(inherited: Any) -> None:
    before = signal.signal(signal.SIGINT, inherited)
    stops = threading.Event()

    def work(tell: Tell, cancelled: Cancellation) -> str:
        tell(Measured(1, 2))
        assert cancelled.wait(20)
        tell(Measured(2, 2))
        stops.wait(20)
        return "cancelled"

    def press(progress: Measured) -> None:
        if progress.done == 1 or second:
            signal.raise_signal(signal.SIGINT)
        else:
            stops.set()

    try:
        second = False
        assert do_long_work(work, press) == "cancelled"
        second = True
        stops.clear()
        with pytest.raises(KeyboardInterrupt):
            do_long_work(work, press)
        assert signal.getsignal(signal.SIGINT) is inherited
    finally:
        stops.set()
        signal.signal(signal.SIGINT, before)


def test_long_work_that_fails_says_so_after_all_that_it_has_told() -> None:
    shown: list[Measured] = []

    def work(tell: Tell, _: Cancellation) -> None:
        tell(Measured(1, 2))
        raise ModelError(ErrorCode.MODEL_FILE_DAMAGED, "It is damaged")

    with pytest.raises(ModelError, match="damaged"):
        do_long_work(work, shown.append)
    assert shown == [Measured(1, 2)]
