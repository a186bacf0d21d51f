"""Run under Wine: unpacks an archive of an engine as the app does, and prints what the app sees in it."""

import json
import sys
from pathlib import Path

from tray_app.engine.builds.archive import unpack
from tray_app.engine.finding import EngineFinder
from tray_app.errors import EngineError
from tray_app.system.host import detect_host

archive, folder = map(Path, sys.argv[1:])
try:
    unpack(archive, folder)
    engine = EngineFinder(detect_host()).probe(folder / "build" / "bin" / "llama-server.exe")
except EngineError as exc:
    print(json.dumps({"code": exc.code}))
else:
    cards = [(card.id, card.name) for card in engine.devices or ()]
    print(json.dumps({"kind": engine.kind, "machines": engine.machines, "cards": cards}))
