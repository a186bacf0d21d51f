"""Writes the table of docs/clients.md from the marks of the tests that use a client: `python -m tools`.

    @pytest.mark.client("openai Python", "embeddings", "models", powerinfer=True)

names the client and the calls that the test makes and checks. The options: `powerinfer`, the same is checked
with PowerInfer; `works=False`, the call is refused, and the test checks how; `how`, what a person must set or
is told; `since`, the first version of this app in which it was so. What fails in a test stands here all the
same, but such a state of the sources is not released: the table is as true as the tests are green.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tools.tables import NOTHING, names_of_tables, table, with_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "clients.md"
TESTS = ROOT / "tests"
FIRST_VERSION = "0.1.0"
AIKIT = "faafedf (12 May 2026)"
"""The commit of 4D AI Kit whose requests the tests have."""

_MARK = "pytest.mark.client"
_HEAD = ("client", "tried with", "call", "llama.cpp", "PowerInfer", "how", "since", "test")
_OPTIONS = {"powerinfer": bool, "works": bool, "how": str, "since": str}
_PACKAGES = {
    "openai Python": "openai",
    "LangChain Python": "langchain-openai",
    "anthropic Python": "anthropic",
    "ollama Python": "ollama",
}
"""Clients that are a package of the tests; the lock has its version."""
_NPM_PACKAGES = {"openai Node": "openai", "Vercel AI SDK": "ai", "ollama JavaScript": "ollama"}
"""Clients that are a package of npm, with a lock of their own."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What one mark says, and where."""

    client: str
    calls: tuple[str, ...]
    file: Path
    test: str
    powerinfer: bool = False
    works: bool = True
    how: str = ""
    since: str = FIRST_VERSION


@dataclass(slots=True)
class _Row:
    llamacpp: bool = True
    powerinfer: bool = False
    how: list[str] = field(default_factory=list)
    since: str = FIRST_VERSION
    tests: list[str] = field(default_factory=list)


def main() -> None:
    """Write the table."""
    DOCUMENT.write_text(rendered(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


def rendered(text: str) -> str:
    """The document with its table as the marks have it. `ValueError` if there is no place for it."""
    if "clients" not in names_of_tables(text):
        raise ValueError("The document has no place for the table: clients")
    return with_tables(text, lambda *_: _table())


def marks(folder: Path = TESTS) -> Iterator[Mark]:
    """The marks of all tests in a folder, in the order of files and lines.

    Raises
    ------
    ValueError
        For a mark that is no test's, or says what nobody reads.

    """
    for file in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                continue
            for each in node.decorator_list:
                if isinstance(each, ast.Call) and ast.unparse(each.func) == _MARK:
                    if node not in tree.body or not node.name.startswith("test_"):
                        raise ValueError(f"{file.name}:{each.lineno}: {node.name} is no test")
                    yield _mark(each, file, node.name)


def _mark(decorator: ast.Call, file: Path, test: str) -> Mark:
    place = f"{file.name}:{decorator.lineno}"
    try:
        client, *calls = map(ast.literal_eval, decorator.args)
        options = {str(each.arg): ast.literal_eval(each.value) for each in decorator.keywords}
    except ValueError as exc:
        raise ValueError(f"{place}: only what stands there as it is can be read") from exc
    if not calls or not all(isinstance(each, str) and each for each in (client, *calls)):
        raise ValueError(f"{place}: a mark has a client and at least one call")
    if wrong := {name for name, value in options.items() if not isinstance(value, _OPTIONS.get(name, ()))}:
        raise ValueError(f"{place}: nobody reads {', '.join(sorted(wrong))}")
    return Mark(client, tuple(calls), file, test, **options)


def _table() -> str:
    rows: dict[tuple[str, str], _Row] = {}
    for mark in marks():
        for call in mark.calls:
            row = rows.setdefault((mark.client, call), _Row())
            row.llamacpp &= mark.works
            row.powerinfer |= mark.powerinfer and mark.works
            row.since = max(row.since, mark.since, key=_numbers)
            row.how += [mark.how] if mark.how and mark.how not in row.how else []
            row.tests.append(f"[{len(row.tests) + 1}](../{mark.file.relative_to(ROOT).as_posix()})")
    return table(
        _HEAD, [_cells(client, call, rows[client, call]) for client, call in sorted(rows, key=_by_name)]
    )


def _cells(client: str, call: str, row: _Row) -> list[str]:
    refused = "refused"
    return [
        client,
        _version(client),
        call,
        "works" if row.llamacpp else refused,
        "works" if row.powerinfer else NOTHING if row.llamacpp else refused,
        "; ".join(row.how) or NOTHING,
        row.since,
        " ".join(row.tests),
    ]


def _by_name(row: tuple[str, str]) -> tuple[str, str]:
    client, call = row
    return client.casefold(), call.casefold()


def _version(client: str) -> str:
    if client == "4D AI Kit":
        return AIKIT
    if client in _NPM_PACKAGES:
        return _locked_npm()[_NPM_PACKAGES[client]]
    return _locked().get(_PACKAGES.get(client, ""), NOTHING)


@cache
def _locked() -> dict[str, str]:
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==([\w.+!-]+)", lock, re.MULTILINE))


@cache
def _locked_npm() -> dict[str, str]:
    lock = json.loads((TESTS / "clients_npm" / "package-lock.json").read_text(encoding="utf-8"))
    return {
        path.removeprefix("node_modules/"): each.get("version", "") for path, each in lock["packages"].items()
    }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
