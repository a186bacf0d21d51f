"""An app to be killed: starts an engine in one of the app's ways, says so, and waits.

Run by its path with `launcher HOW PROGRAM…`, on Windows `job PROGRAM…`, or `supervisor FOLDER OPTION…`
(options of the fake engine), or `pair FOLDER MODEL` (two of the real engine).
"""

import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fakes.launches import fake_plan, llamacpp_plan
from tray_app.engine.lifecycle import State
from tray_app.engine.supervisor import Supervisor
from tray_app.system.child import Launch, lines_of
from tray_app.system.engine_id import EngineId
from tray_app.system.host import System
from tray_app.system.launcher import PosixLauncher, launcher_for


def main() -> None:
    match sys.argv[1:]:
        case ["launcher", how, *argv]:
            child = PosixLauncher(how).launch(Launch(tuple(argv), os.environ, Path.cwd()))
            for line in lines_of(child):
                sys.stdout.write(f"{child.pid} {line}\n")
                sys.stdout.flush()
        case ["job", *argv]:
            child = launcher_for(System.WINDOWS).launch(Launch(tuple(argv), os.environ, Path.cwd()))
            print(child.pid, next(lines_of(child)), flush=True)  # noqa: T201
        case ["supervisor", folder, *options]:
            supervisor = Supervisor(launcher_for(System.LINUX), Path(folder), Path(folder))
            supervisor.changed.connect(lambda snapshot: print(snapshot.state, flush=True))  # noqa: T201
            supervisor.ensure(fake_plan(*options))
        case ["pair", folder, model]:
            for engine in (EngineId("first"), EngineId("second")):
                one = Supervisor(launcher_for(System.LINUX), Path(folder), Path(folder), engine_id=engine)
                one.ensure(llamacpp_plan(Path(model)))
                print(one.wait_for({State.READY}, 60).state, flush=True)  # noqa: T201
    threading.Event().wait()


if __name__ == "__main__":
    main()
