"""The rules of the code that the contracts of the import linter do not cover."""

import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import tray_app
from tests.fakes.commands import FakeCommands, engine_row
from tray_app.gateway.control.documents import StatusDocument
from tray_app.gateway.control.routes import Control
from tray_app.system.paths import AppPaths

PACKAGE = Path(tray_app.__file__).parent

WITHOUT_QT = """
import importlib, sys
for name in ("PySide6", "shiboken6", "pyqtgraph"):
    sys.modules[name] = None  # importing it fails now
for module in sys.argv[1:]:
    importlib.import_module(module)
print(*(name for name in sys.modules if name == "numpy"))
"""


def modules() -> list[str]:
    """Every module of the package but those of `ui` that draw."""
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    names = (".".join(path.parts).removesuffix(".__init__") for path in paths)
    return [
        name
        for name in names
        if name != "tray_app.ui"
        and (not name.startswith("tray_app.ui.") or name.startswith("tray_app.ui.presenters"))
    ]


def test_everything_but_ui_is_imported_without_qt_and_without_numpy() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_QT, *modules()], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stdout) == (0, "\n"), result.stderr


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    silent = [
        path for path in PACKAGE.rglob("*.py") if not path.read_text(encoding="utf-8").startswith('"""')
    ]

    assert silent == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports for types count too: two modules that know each other are one, cut at the wrong place."""
    graph = grimp.build_graph("tray_app", exclude_type_checking_imports=False, cache_dir=None)

    TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    ).prepare()  # raises CycleError, which names the circle


APP = [
    "tray_app.app.root",
    "tray_app.app.diagnostics",
    "tray_app.app.selftest",
    "numpy",
    "rich.progress",
    "PySide6",
]
OTHER_COMMANDS = [f"tray_app.cli.{module}" for module in ("settings", "engines", "models")]
SHORTEST = [*APP, *OTHER_COMMANDS, "tray_app.engine.lifecycle", "ctypes"]
NETWORK = ["requests", "urllib3", "aiohttp", "asyncio"]
SETTINGS = ["tomlkit", "keyring"]
MACHINE = ["psutil", "pynvml"]
CONVERSION = ["pydantic"]


def loaded_by(*command: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    program = "import sys; from tray_app.__main__ import main; main(); print(*sys.modules, sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines())


@pytest.mark.parametrize(
    ("command", "needless"),
    [
        ("--version", [*SHORTEST, *NETWORK, *SETTINGS, *MACHINE, *CONVERSION, "http.client"]),
        ("status", [*SHORTEST, *NETWORK, *SETTINGS, *MACHINE, *CONVERSION]),
        ("ps", [*SHORTEST, *NETWORK, *SETTINGS, *MACHINE, *CONVERSION]),
        ("stop", [*SHORTEST, *NETWORK, *SETTINGS, *MACHINE, *CONVERSION]),
        ("settings path", [*APP, *NETWORK, *SETTINGS, *MACHINE, *CONVERSION]),
        ("settings get port", [*APP, *NETWORK, *CONVERSION]),
        ("models list", [*APP, *NETWORK, *CONVERSION]),
    ],
)
def test_a_command_of_a_moment_does_not_wait_for_what_it_does_not_use(
    command: str, needless: list[str]
) -> None:
    assert loaded_by(*command.split()) & set(needless) == set()


@pytest.mark.parametrize(
    ("command", "needless"),
    [
        ("status", [*SHORTEST, *NETWORK, *SETTINGS, *MACHINE, *CONVERSION]),
        ("ps", [*SHORTEST, *NETWORK, *SETTINGS, *MACHINE, *CONVERSION]),
        ("embed hello", [*SHORTEST, *NETWORK, *SETTINGS, *MACHINE, *CONVERSION]),
        ("settings set port 8081", [*APP, *NETWORK, *MACHINE, *CONVERSION]),
    ],
)
def test_a_command_beside_a_running_app_loads_what_it_needs_to_ask(command: str, needless: list[str]) -> None:
    running = StatusDocument(running=True, state="ready", engines=(engine_row("one"), engine_row("two")))
    state = AppPaths.from_environment(os.environ).state
    control = Control(state, lambda: running, {"reload": lambda: None}, lambda _: None, FakeCommands())
    assert control.open()
    try:
        assert loaded_by(*command.split()) & set(needless) == set()
    finally:
        control.close()


def test_the_icon_does_not_wait_for_what_speaks_http() -> None:
    program = (
        "import sys, tray_app.ui.application\n"
        "from tray_app.app.root import App\n"
        "App.on_this_machine().close()\n"
        "print(*sys.modules, sep='\\n')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert set(result.stdout.splitlines()) & set(NETWORK) == set()


@pytest.mark.parametrize(
    "module",
    [
        "engine.llamacpp_child",
        "gateway.powerinfer.template_child",
        "search.pdf_child",
        "system.trampoline",
    ],
)
def test_a_child_process_loads_nothing_of_the_app(module: str) -> None:
    program = f"import sys, tray_app.{module}; print(*sys.modules, sep='\\n')"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert {*APP, *NETWORK, *SETTINGS, *MACHINE, "typer", "msgspec"}.isdisjoint(result.stdout.splitlines())
