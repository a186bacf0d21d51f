"""Reads the documentation as its readers do: tables, commands to type, fenced snippets."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDE = ROOT / "docs" / "guide.md"
COMMANDS = ROOT / "docs" / "commands.md"
BENCHMARKS = ROOT / "docs" / "benchmarks" / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PACKAGE_READMES = tuple(sorted((ROOT / "tray_app").rglob("README.md")))
DOCUMENTS = (
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *PACKAGE_READMES,
    *sorted((ROOT / "docs").rglob("*.md")),
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CELL_BORDER = re.compile(r"(?<!\\)\|")


def section(document: Path, heading: str) -> str:
    """What stands under a heading of the second level."""
    text = document.read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise AssertionError(f"{document.name} has no section «{heading}»")
    return found[1]


def table_rows(text: str) -> list[list[str]]:
    """The cells of every table, without heads and rulers."""
    lines = text.splitlines()
    rows = []
    for number, line in enumerate(lines):
        is_head = number + 1 < len(lines) and lines[number + 1].startswith("| ---")
        if line.startswith("|") and not line.startswith("| ---") and not is_head:
            cells = _CELL_BORDER.split(line.strip().strip("|"))
            rows.append([cell.strip().replace("\\|", "|") for cell in cells])
    return rows


def fenced(document: Path, language: str = "") -> list[str]:
    """The fenced blocks of a language."""
    return [body for kind, body in _FENCE.findall(document.read_text(encoding="utf-8")) if kind == language]


def code_spans(text: str) -> list[str]:
    """What stands between backquotes in running text."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))


def typed_commands(document: Path, program: str) -> list[list[str]]:
    """The arguments of every call of `program` in blocks and in running text, without their remarks.

    The table of all commands has patterns rather than commands.
    """
    text = document.read_text(encoding="utf-8")
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("| `powerinfer-tray"))
    lines = [line for block in fenced(document) for line in block.splitlines()] + code_spans(prose)
    calls = [re.split(r"\s{2,}|\s#", line)[0].split() for line in lines]
    words = program.split()
    return [call[len(words) :] for call in calls if call[: len(words)] == words and len(call) > len(words)]
