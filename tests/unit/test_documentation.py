"""What the documents say is true: settings, messages, commands, links and the picture of the rooms."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.core import TyperGroup

import dev
from tests.fakes.documents import (
    ARCHITECTURE,
    BENCHMARKS,
    COMPARISON,
    DOCUMENTS,
    GUIDE,
    README,
    ROOT,
    code_spans,
    section,
    table_rows,
    typed_commands,
)
from tray_app.cli.main import commands, run
from tray_app.engine.failure_patterns import CAUSES_BY_EXIT, CAUSES_BY_LINE
from tray_app.settings.keys import KEYS
from tray_app.settings.schema import FIELDS, MODEL_FIELDS, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.settings.schema import Field

CLI: Any = typer.main.get_command(commands)
HARMLESS = ("--version", "settings show", "settings path", "settings get", "models list", "status")
"""Commands that only look, and need no network: these are run."""


# Settings


def default_of(field: Field) -> str:
    if field.default in ("", ()):
        return "–"  # noqa: RUF001 - a dash, as a table has it
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    return f"{field.default:g}" if field.kind is float and field.default != "auto" else str(field.default)


def values_of(field: Field) -> str:
    if field.minimum is not None and field.maximum is not None:
        unit = f" {field.unit}" if field.unit else ""
        auto = ", or auto" if field.may_be_auto else ""
        return f"{field.minimum:g} to {field.maximum:.12g}{unit}{auto}"
    kinds: dict[type, str] = {bool: "on or off", tuple: "list", str: "text"}
    return " or ".join(field.choices) or kinds[field.kind]


def test_the_guide_has_every_setting_and_no_other_with_title_default_and_range() -> None:
    documented = {row[0]: row[1:4] for row in table_rows(section(GUIDE, "Settings"))}

    assert documented == {
        f"`{field.name}`": [field.title, default_of(field), values_of(field)] for field in FIELDS
    }


def test_the_guide_groups_the_settings_as_the_dialog_does() -> None:
    text = section(GUIDE, "Settings")
    for part in re.split(r"^\*\*", text, flags=re.MULTILINE)[1:]:
        group = part.partition("**")[0].lower()
        names = {row[0].strip("`") for row in table_rows(part)}

        assert names == {field.name for field in FIELDS if field.group == group}


def test_the_guide_has_every_setting_of_a_model_and_no_other() -> None:
    documented = {row[0]: row[1:4] for row in table_rows(section(GUIDE, "Settings of one model"))}

    assert documented == {
        f"`{field.name}`": [
            field.title,
            "as for all" if field.scope is Scope.EACH else default_of(field),
            values_of(field),
        ]
        for field in MODEL_FIELDS
    }


def test_every_flag_in_the_guide_exists() -> None:
    flags = [span for row in table_rows(section(GUIDE, "Settings")) for span in code_spans(row[-1])]

    assert flags
    for flag in flags:
        command, option = flag.split()
        assert option in options_of(commands_of(CLI)[command])


def test_the_guide_has_every_key_and_no_other_with_its_title_and_group() -> None:
    documented = {row[0]: row[1:3] for row in table_rows(section(GUIDE, "Keys"))}

    assert documented == {f"`{key.name}`": [str(key.title), key.group.capitalize()] for key in KEYS}


# Commands


def commands_of(group: Any, prefix: str = "") -> dict[str, Any]:
    """Every command with its whole name."""
    if not isinstance(group, TyperGroup):
        return {prefix.strip(): group}
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        found |= commands_of(command, f"{prefix} {name}")
    return found


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")} - {
        "--help"
    }


def documented_commands() -> Iterator[tuple[str, set[str]]]:
    """Name and options of every command in the README's table; `start`, `stop` in one cell are two."""
    for row in table_rows(section(README, "Commands")):
        group = ""
        for number, span in enumerate(code_spans(row[0])):
            words = span.removeprefix("powerinfer-tray").split()
            names = [word for word in words if re.fullmatch("[a-z][a-z_-]*", word)]
            if number == 0:
                group = " ".join(names[:-1])
            options = set(re.findall(r"--[a-z0-9-]+", span))
            yield " ".join([*([group] if number and group else []), *names]), options


def test_the_readme_has_every_command_with_all_its_options_and_no_other() -> None:
    documented = {name: options for name, options in documented_commands() if name}

    assert documented == {name: options_of(command) for name, command in commands_of(CLI).items()}


def parse(arguments: list[str]) -> None:
    """Read a command line as the program would, without doing what it says."""
    command: Any = CLI
    context = None
    while isinstance(command, TyperGroup):
        context = typer.Context(command, parent=context)
        if arguments and arguments[0] == "--version":
            return
        _, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found
    command.make_context(command.name, arguments, parent=context)


TYPED = sorted(
    {
        (document.name, " ".join(arguments))
        for document in DOCUMENTS
        for program in ("powerinfer-tray", "python3 dev.py run")
        for arguments in typed_commands(document, program)
    }
)


@pytest.mark.parametrize(("document", "line"), TYPED)
def test_every_command_in_the_documents_is_understood(document: str, line: str) -> None:
    assert document
    parse([word for word in line.split() if word != "[ARGS]"] or ["--version"])


@pytest.mark.parametrize("line", sorted({line for _, line in TYPED if line.startswith(HARMLESS)}))
def test_every_harmless_command_in_the_documents_succeeds(line: str) -> None:
    assert run(line.split()) == 0


def test_every_command_of_dev_py_in_the_documents_is_one_and_the_reverse() -> None:
    usage = set(re.findall(r"^    python3 dev\.py ([a-z-]+)", dev.__doc__ or "", re.MULTILINE))
    typed = {arguments[0] for path in DOCUMENTS for arguments in typed_commands(path, "python3 dev.py")}

    assert typed == usage
    source = (ROOT / "dev.py").read_text(encoding="utf-8")
    assert all(name in dev.MODULES or f'case ["{name}"' in source for name in usage)


# Messages


def normal(text: str) -> str:
    """A message with an ellipsis for whatever is filled in."""
    return re.sub(r"\{[^}]*\}", "…", text)


def strings_of(node: ast.AST) -> Iterator[str]:
    """Every text in a module, f-strings with an ellipsis for what they fill in."""
    for child in ast.walk(node):
        if isinstance(child, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in child.values)
            yield "".join(map(str, parts))
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield normal(child.value)


def test_every_message_in_the_guide_is_one_that_the_app_gives() -> None:
    paths = (ROOT / "tray_app").rglob("*.py")
    given = {text for path in paths for text in strings_of(ast.parse(path.read_text(encoding="utf-8")))}
    documented = {row[0] for row in table_rows(section(GUIDE, "When something goes wrong"))}

    assert documented - given == set()


def test_every_cause_that_is_known_of_an_engines_end_is_in_the_guide() -> None:
    causes = [cause for _, cause in CAUSES_BY_LINE] + list(CAUSES_BY_EXIT.values())
    documented = {row[0] for row in table_rows(section(GUIDE, "When something goes wrong"))}
    # One row is enough for the two ways in which a value is not accepted.
    known = {normal(str(cause.title)).replace("of an argument", "of …") for cause in causes}

    assert known - documented == set()


# Architecture


def layers() -> list[str]:
    """The rooms from top to bottom, as the import linter checks them."""
    config: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (found,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return list(found)


def test_the_picture_of_the_rooms_is_the_contract_of_the_import_linter() -> None:
    picture = re.findall(r"^```\n(.*?)^```", section(ARCHITECTURE, "The rooms"), re.MULTILINE | re.DOTALL)[0]
    drawn = [re.split(r"\s{2,}", line.strip())[0].replace("│", "|") for line in picture.splitlines()]

    assert drawn == layers()


def test_the_rooms_in_contributing_are_those_of_the_contract() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (rule,) = re.findall(r"Imports go downwards only: (.*?)\.\n", text)

    assert [part.strip("`") for part in rule.split(" › ")] == layers()  # noqa: RUF001


# Numbers


def test_every_number_that_the_readme_says_was_measured_is_on_the_saved_page() -> None:
    page = BENCHMARKS.read_text(encoding="utf-8")
    measured = [row[2] for row in table_rows(section(README, "Measured"))]

    assert measured
    for cell in measured:
        numbers = re.findall(r"\d[\d.,]*\d|\d", re.sub(r"aria2c", "", cell))
        assert all(re.search(rf"\| -?{re.escape(number)} ", page) for number in numbers), cell


# Comparison


def test_what_the_readme_compares_is_what_the_whole_table_says_of_the_same_day() -> None:
    readme = section(README, "Compared with others")
    whole = COMPARISON.read_text(encoding="utf-8")
    rows = table_rows(readme)

    assert rows
    assert all(row in table_rows(whole) for row in rows)
    assert re.findall(r"Read on [\w ]+", readme) == re.findall(r"Read on \d+ \w+ \d+", whole)


# Links


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"(?:\]\(|src=\"|srcset=\")([^)\s\"]+)", text):
        if "://" in target:
            continue
        name, _, fragment = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), target
