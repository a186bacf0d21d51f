"""The rules of the code that the contracts of the import linter do not cover."""

import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import tray_app

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
