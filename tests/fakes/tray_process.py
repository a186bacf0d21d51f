"""The tray app on a fake `App`, as a program: `python -m tests.fakes.tray_process [--background]`.

Each line on standard input is a name from `STATUSES`, which is then shown. Each wish that reaches the app is
written to standard output as a line, so that a test waits for it by reading.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from tests.fakes.app import FakeApp, make_progress, make_snapshot, make_status
from tray_app.download.progress import Phase
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode
from tray_app.ui.application import run_tray

STATUSES = {
    "stopped": make_status(),
    "no model": make_status(model_name=None),
    "downloading": make_status(downloads=(make_progress(),)),
    "paused": make_status(downloads=(make_progress(Phase.PAUSED),)),
    "downloaded": make_status(downloads=(make_progress(Phase.DONE),)),
    "loading": make_status(State.LOADING),
    "ready": make_status(State.READY),
    "ready and downloading": make_status(State.READY, downloads=(make_progress(),)),
    "failed": make_status(
        State.FAILED,
        engine=make_snapshot(
            State.FAILED, failure=EngineError(ErrorCode.MODEL_FILE_DAMAGED, "The model is damaged")
        ),
    ),
}


class TellingApp(FakeApp):
    """A fake that says what is asked of it."""

    def note(self, *call: Any) -> None:
        # In one write: `print` makes several, and wishes come from several threads.
        sys.stdout.write(" ".join(map(str, call)) + "\n")
        sys.stdout.flush()
        super().note(*call)


def main(arguments: list[str]) -> int:
    app = TellingApp(STATUSES["stopped"])
    threading.Thread(target=_follow, args=(app,), daemon=True).start()
    return run_tray(app, arguments)


def _follow(app: FakeApp) -> None:
    for line in sys.stdin:
        app.show(STATUSES[line.strip()])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
