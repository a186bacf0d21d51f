from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import make_progress, make_sleeping, make_snapshot, make_status, with_engines
from tests.fakes.languages import ENGLISH
from tray_app.app.server_status import ServerState, ServerStatus
from tray_app.download.progress import Phase
from tray_app.engine.lifecycle import State
from tray_app.errors import DownloadError, EngineError, ErrorCode, GatewayError, SettingsError
from tray_app.settings.schema import Settings
from tray_app.system.autostart import Login
from tray_app.system.drives import DriveGoneError
from tray_app.ui.presenters.menu import Command, MenuEntry
from tray_app.ui.presenters.notices import Notice, Page, notices
from tray_app.ui.presenters.status import IconShape, announcement, current_download, current_parts
from tray_app.ui.presenters.tray import tray_view

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.ui.presenters.tray import TrayView

NOW_S = 1000.0
PORT_TAKEN = GatewayError(ErrorCode.PORT_IN_USE, "port 8080 is used by nginx (PID 812)")
DRIVE_GONE = DriveGoneError(Path("/media/USB"))
NO_MEMORY = EngineError(
    ErrorCode.NOT_ENOUGH_MEMORY, "not enough memory", "The model needs 5 GB.", "Choose a smaller one."
)


def view(status: AppStatus) -> TrayView:
    return tray_view(status, NOW_S, ENGLISH)


def failed(state: State = State.FAILED) -> AppStatus:
    return make_status(state, engine=make_snapshot(state, failure=NO_MEMORY))


@pytest.mark.parametrize(
    ("status", "shape", "headline"),
    [
        (make_status(State.STOPPED), IconShape.HOLLOW, "Stopped — Bamboo 7B Q4_0"),
        (make_status(State.STOPPED, model_name=None), IconShape.ARROW, "No model yet — choose one"),
        (
            make_status(downloads=(make_progress(name="Bamboo 7B"),)),
            IconShape.RING,
            "Downloading Bamboo 7B — 43 % · 12.3 MB/s · 3 min left",
        ),
        (
            make_status(State.STARTING, engine=make_snapshot(State.STARTING, since_s=NOW_S)),
            IconShape.ARC,
            "Loading Bamboo 7B Q4_0 … 0 s",
        ),
        (
            make_status(State.LOADING, engine=make_snapshot(State.LOADING, since_s=NOW_S - 12.4)),
            IconShape.ARC,
            "Loading Bamboo 7B Q4_0 … 12 s",
        ),
        (make_status(State.READY), IconShape.SOLID, "Ready — Bamboo 7B Q4_0 · http://127.0.0.1:8080/v1"),
        (make_status(State.STOPPING), IconShape.HOLLOW, "Stopping Bamboo 7B Q4_0 …"),
        (failed(State.BACKOFF), IconShape.BADGE, "Restarting: not enough memory"),
        (failed(State.WAITING), IconShape.BADGE, "Waiting: not enough memory"),
        (failed(), IconShape.BADGE, "Stopped: not enough memory"),
        (make_sleeping(), IconShape.MOON, "Asleep: a request starts it · http://127.0.0.1:8080/v1"),
        (
            make_sleeping(on_demand=False),
            IconShape.MOON,
            "Asleep: start it here · http://127.0.0.1:8080/v1",
        ),
        (make_sleeping(problem=NO_MEMORY), IconShape.BADGE, "Asleep: not enough memory"),
        (
            replace(make_status(), server=ServerStatus(ServerState.PREPARING)),
            IconShape.ARC,
            "Preparing the start …",
        ),
        (
            replace(make_status(problem=DRIVE_GONE), server=ServerStatus(ServerState.WAITING)),
            IconShape.BADGE,
            "Waiting: The drive “USB” is not connected",
        ),
        (make_status(problem=PORT_TAKEN), IconShape.BADGE, "Stopped: port 8080 is used by nginx (PID 812)"),
    ],
)
def test_every_state_has_its_shape_and_its_words(status: AppStatus, shape: IconShape, headline: str) -> None:
    shown = view(status)

    assert (shown.shape, shown.headline) == (shape, headline)


def test_the_ring_is_filled_to_the_share_that_is_here() -> None:
    assert view(make_status(downloads=(make_progress(),))).permille == 430


def test_a_ready_server_keeps_its_solid_mark_while_something_is_downloaded() -> None:
    shown = view(make_status(State.READY, downloads=(make_progress(),)))

    assert (shown.shape, shown.permille) == (IconShape.SOLID, None)
    assert shown.download_line == "Downloading tiny.gguf — 43 % · 12.3 MB/s · 3 min left"


def test_the_download_is_not_said_twice() -> None:
    assert view(make_status(downloads=(make_progress(),))).download_line == ""


def test_a_paused_download_has_a_line_but_no_ring() -> None:
    shown = view(make_status(downloads=(make_progress(Phase.PAUSED),)))

    assert (shown.shape, shown.download_line) == (IconShape.HOLLOW, "tiny.gguf — Paused at 43 %")


def test_a_running_download_is_shown_before_one_that_waits_or_is_paused() -> None:
    downloads = (
        make_progress(Phase.PAUSED, number=1),
        make_progress(Phase.WAITING, number=2),
        make_progress(Phase.VERIFYING, number=3),
    )

    for count in (3, 2, 1):
        current = current_download(make_status(downloads=downloads[:count]))
        assert current is downloads[count - 1]


def test_the_files_of_a_split_model_are_paused_and_resumed_together() -> None:
    downloads = (
        make_progress(number=1, name="other.gguf", phase=Phase.WAITING),
        make_progress(number=2, name="big-00001-of-00002.gguf"),
        make_progress(number=3, name="big-00002-of-00002.gguf", phase=Phase.WAITING),
    )

    assert current_parts(make_status(downloads=downloads)) == (2, 3)
    assert current_parts(make_status()) == ()


@pytest.mark.parametrize("phase", [Phase.DONE, Phase.FAILED, Phase.CANCELLED])
def test_a_download_that_has_ended_is_not_in_the_menu(phase: Phase) -> None:
    shown = view(make_status(downloads=(make_progress(phase),)))

    assert shown.download_line == ""
    assert not shown.entries[Command.PAUSE].visible
    assert not shown.entries[Command.RESUME].visible


@pytest.mark.parametrize(
    ("phase", "pause", "resume"),
    [(Phase.DOWNLOADING, True, False), (Phase.WAITING, True, False), (Phase.PAUSED, False, True)],
)
def test_a_download_is_either_paused_or_resumed(phase: Phase, *, pause: bool, resume: bool) -> None:
    entries = view(make_status(downloads=(make_progress(phase),))).entries

    assert (entries[Command.PAUSE].visible, entries[Command.RESUME].visible) == (pause, resume)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (make_status(), (True, False, False)),
        (make_status(State.STARTING), (False, True, True)),
        (make_status(State.READY), (False, True, True)),
        (make_status(State.STOPPING), (True, False, False)),
        (make_status(State.BACKOFF), (False, True, True)),
        (make_status(State.WAITING), (False, True, True)),
        (make_status(State.FAILED), (True, True, False)),  # its address is still open
        (make_sleeping(), (True, True, False)),
        (make_status(model_name=None), (False, False, False)),
    ],
)
def test_only_what_can_be_done_now_is_in_the_menu(status: AppStatus, shown: tuple[bool, bool, bool]) -> None:
    entries = view(status).entries

    assert tuple(entries[each].visible for each in (Command.START, Command.STOP, Command.RESTART)) == shown


def test_only_an_address_that_is_open_can_be_copied() -> None:
    assert not view(make_status()).entries[Command.COPY_URL].visible
    entry = view(make_sleeping()).entries[Command.COPY_URL]
    assert (entry.text, entry.visible) == ("&Copy http://127.0.0.1:8080/v1", True)


@pytest.mark.parametrize("chosen", [True, False])
def test_launch_at_login_shows_the_setting(*, chosen: bool) -> None:
    status = make_status(settings=Settings(model="bamboo", launch_at_login=chosen))

    assert view(status).entries[Command.LOGIN].checked is chosen


def test_an_entry_at_login_that_starts_another_copy_is_offered_for_repair() -> None:
    status = replace(make_status(), login=Login.ELSEWHERE)

    assert view(status).entries[Command.LOGIN] == MenuEntry("Repair &Launch at Login", checked=False)


def test_a_wrong_settings_file_does_not_make_a_running_server_look_broken() -> None:
    status = make_status(
        State.READY, problem=SettingsError(ErrorCode.SETTINGS_FILE_INVALID, "The settings file has an error")
    )

    assert view(status).shape is IconShape.SOLID
    assert isinstance(status.problem, SettingsError)


def test_the_engines_failure_is_told_before_an_older_problem() -> None:
    engine = make_snapshot(State.FAILED, failure=NO_MEMORY)
    status = make_status(State.FAILED, engine=engine, problem=PORT_TAKEN)

    assert [problem.error for problem in status.problems] == [NO_MEMORY, PORT_TAKEN]
    assert status.problem is NO_MEMORY


def test_the_end_of_a_download_is_told_once() -> None:
    running = make_status(downloads=(make_progress(),))
    done = make_status(downloads=(make_progress(Phase.DONE),))

    assert notices(running, done, ENGLISH) == (Notice("Download finished", "tiny.gguf", Page.MODELS),)
    assert notices(done, done, ENGLISH) == ()


def test_a_failed_download_is_told_with_its_cause() -> None:
    running = make_status(downloads=(make_progress(),))
    broken = make_status(
        downloads=(make_progress(Phase.FAILED, error=DownloadError(ErrorCode.DISK_FULL, "The disk is full")),)
    )

    (notice,) = notices(running, broken, ENGLISH)

    assert notice == Notice("Download failed", "tiny.gguf\nThe disk is full", Page.MODELS)


def test_a_split_model_is_told_when_all_of_it_is_there_and_its_failure_once() -> None:
    def arriving(first: Phase, second: Phase) -> AppStatus:
        error = DownloadError(ErrorCode.DISK_FULL, "The disk is full")
        return make_status(
            downloads=(
                make_progress(first, number=1, name="big-00001-of-00002.gguf", error=error),
                make_progress(second, number=2, name="big-00002-of-00002.gguf", error=error),
            )
        )

    begun = arriving(Phase.DOWNLOADING, Phase.WAITING)
    half = arriving(Phase.DONE, Phase.DOWNLOADING)
    broken = arriving(Phase.FAILED, Phase.DOWNLOADING)

    assert notices(begun, half, ENGLISH) == ()
    assert [notice.text for notice in notices(half, arriving(Phase.DONE, Phase.DONE), ENGLISH)] == ["big"]
    assert [notice.text for notice in notices(begun, broken, ENGLISH)] == ["big\nThe disk is full"]
    assert notices(broken, arriving(Phase.FAILED, Phase.FAILED), ENGLISH) == ()


@pytest.mark.parametrize("phase", [Phase.PAUSED, Phase.CANCELLED, Phase.VERIFYING])
def test_what_a_person_did_to_a_download_is_no_news(phase: Phase) -> None:
    running = make_status(downloads=(make_progress(),))

    assert notices(running, make_status(downloads=(make_progress(phase),)), ENGLISH) == ()


def test_giving_up_the_server_is_told_once_with_cause_and_remedy() -> None:
    (notice,) = notices(make_status(State.LOADING), failed(), ENGLISH)

    expected = Notice("not enough memory", "The model needs 5 GB.\nChoose a smaller one.", Page.HOME)
    assert notice == expected
    assert notices(failed(), failed(), ENGLISH) == ()


def ready_after(restarts: int) -> AppStatus:
    return make_status(State.READY, engine=make_snapshot(State.READY, restarts=restarts))


def test_an_engine_that_another_takes_the_place_of_is_not_told_as_given_up() -> None:
    replaced = with_engines(failed(), queued=True)
    assert notices(make_status(State.LOADING), replaced, ENGLISH) == ()
    assert len(notices(replaced, failed(), ENGLISH)) == 1  # there was no other one


def test_a_server_that_came_back_after_a_crash_is_told_once_with_the_cause() -> None:
    loading = make_status(State.LOADING, engine=make_snapshot(State.LOADING, failure=NO_MEMORY, restarts=1))

    assert notices(loading, ready_after(1), ENGLISH) == (
        Notice("The server crashed and was restarted", "not enough memory", Page.HOME),
    )
    assert notices(ready_after(1), ready_after(1), ENGLISH) == ()


def test_a_crash_between_two_snapshots_is_told_too() -> None:
    assert notices(ready_after(1), ready_after(2), ENGLISH) == (
        Notice("The server crashed and was restarted", "See the log for details.", Page.HOME),
    )


def test_a_start_and_a_restart_that_were_wished_are_no_news() -> None:
    loading = make_status(State.LOADING)

    assert notices(loading, ready_after(0), ENGLISH) == ()
    assert notices(ready_after(1), ready_after(0), ENGLISH) == ()


def downloading(received_bytes: int, phase: Phase = Phase.DOWNLOADING) -> AppStatus:
    return make_status(downloads=(make_progress(phase, received_bytes=received_bytes, total_bytes=1000),))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (make_status(State.LOADING), make_status(State.READY), "Ready — Bamboo 7B Q4_0"),
        (make_status(State.READY), make_status(State.READY), ""),
        (downloading(100), downloading(240), ""),
        (
            downloading(240),
            downloading(250),
            "Downloading tiny.gguf — 25 % · 12.3 MB/s · 3 min left",
        ),
        (make_status(), downloading(10), "Downloading tiny.gguf — 1 % · 12.3 MB/s · 3 min left"),
        (downloading(10), downloading(10, Phase.PAUSED), "tiny.gguf — Paused at 1 %"),
        (downloading(990), make_status(), ""),
    ],
)
def test_a_screen_reader_hears_of_states_and_of_every_quarter_of_a_download(
    old: AppStatus, new: AppStatus, said: str
) -> None:
    assert announcement(old, new, NOW_S, ENGLISH) == said
