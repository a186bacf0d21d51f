"""What the documents say is true: settings, messages, commands, links, packages and their modules."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.core import TyperGroup

import dev
from tests.fakes.documents import (
    ARCHITECTURE,
    BENCHMARKS,
    COMMANDS,
    DOCUMENTS,
    GUIDE,
    PACKAGE_READMES,
    README,
    ROOT,
    code_spans,
    section,
    table_rows,
    typed_commands,
)
from tests.fakes.program import command_here
from tools.guide import rendered
from tray_app.cli.main import commands, run
from tray_app.engine.failure_patterns import CAUSES_BY_EXIT, CAUSES_BY_LINE
from tray_app.errors import ErrorCode
from tray_app.gateway import refusals
from tray_app.gateway.upstream import ENGINE_UNAVAILABLE
from tray_app.settings.fields import field_named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLI: Any = typer.main.get_command(commands)
SOURCES = ("tray_app", "tests", "tools", "packaging", "resources")
HARMLESS = ("--version", "settings show", "settings path", "settings get", "models list", "status")
"""Commands that only look, and need no network: these are run."""


# Settings


def test_the_guides_tables_are_what_dev_py_docs_writes() -> None:
    text = GUIDE.read_text(encoding="utf-8")

    assert rendered(text) == text


def test_a_new_setting_gets_a_row_and_what_was_said_of_others_stays() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    of_port, of_model = (
        next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        for name in ("port", "model")
    )
    old = text.replace(of_port, "| `gone` | Gone | 1 | text | nobody knows | – |")  # noqa: RUF001

    lines = rendered(old).splitlines()

    port = field_named("port")
    effect = f"{port.help}. {port.details.rstrip('.')}"
    assert f"| `port` | Port | 8080 | 1 to 65535 | {effect} | – |" in lines  # noqa: RUF001
    assert of_model in lines
    assert not any("nobody knows" in line for line in lines)


def test_a_guide_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for: keys"):
        rendered(GUIDE.read_text(encoding="utf-8").replace("<!-- table keys -->", ""))


def test_every_flag_in_the_guide_exists() -> None:
    flags = [span for row in table_rows(section(GUIDE, "Settings")) for span in code_spans(row[-1])]

    assert flags
    for flag in flags:
        command, option = flag.split()
        assert option in options_of(commands_of(CLI)[command])


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
    names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return {name for name in names if name.startswith("--")} - {"--help"}


def documented_commands() -> Iterator[tuple[str, set[str]]]:
    """Name and options of every command in the table of commands; `start`, `stop` in one cell are two."""
    for row in table_rows(section(COMMANDS, "Commands")):
        group = ""
        for number, span in enumerate(code_spans(row[0])):
            words = span.removeprefix("powerinfer-tray").split()
            names = [word for word in words if re.fullmatch("[a-z][a-z_-]*", word)]
            if number == 0:
                group = " ".join(names[:-1])
            options = set(re.findall(r"--[a-z0-9-]+", span))
            yield " ".join([*([group] if number and group else []), *names]), options


def test_the_table_has_every_command_with_all_its_options_and_no_other() -> None:
    documented = {name: options for name, options in documented_commands() if name}

    assert documented == {name: options_of(command) for name, command in commands_of(CLI).items()}


@pytest.mark.parametrize("name", sorted(commands_of(CLI)))
def test_every_command_explains_itself(name: str) -> None:
    shown = command_here(*name.split(), "--help")

    assert (shown.returncode, shown.stderr) == (0, "")
    words = shown.stdout.split()
    assert f"powerinfer-tray {name}" in " ".join(words)
    assert "<bool>" not in words  # a flag takes no value


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
    asked = set(re.findall(r'if name == "([a-z-]+)"', source))
    assert usage == asked | dev.MODULES.keys() | dev.CHECKS.keys()


# Errors

TABLES = "When something goes wrong"
IN_NO_TABLE = {
    ErrorCode.UNKNOWN,  # no error of this version has it
    ErrorCode.CALLED_OFF,  # nobody is told of what they have called off themselves
}


def normal(text: str) -> str:
    """A message with an ellipsis for whatever is filled in."""
    return re.sub(r"\{[^}]*\}", "…", text)


def strings_of(node: ast.AST) -> Iterator[str]:
    """Every text in a piece of source."""
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield normal(child.value)


def codes_of(node: ast.AST) -> set[str]:
    """Every error code that a piece of source names."""
    return {
        child.attr.lower()
        for child in ast.walk(node)
        if isinstance(child, ast.Attribute)
        and isinstance(child.value, ast.Name)
        and child.value.id == "ErrorCode"
    }


@cache
def trees() -> list[ast.Module]:
    """The sources of the app."""
    return [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "tray_app").rglob("*.py")]


@cache
def told() -> dict[str, set[str]]:
    """The texts that stand in one call with a code, or, where its parts stand apart, in one module."""
    texts: dict[str, set[str]] = defaultdict(set)
    for tree in trees():
        everything, calls = set(strings_of(tree)), [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
        coded = [(set().union(*map(codes_of, call.args)), set(strings_of(call))) for call in calls]
        for code in codes_of(tree):
            of_others = (said for codes, said in coded if codes and code not in codes)
            texts[code] |= everything.difference(*of_others)
    return texts


DOCUMENTED = [(row[0].strip("`"), row[1]) for row in table_rows(section(GUIDE, TABLES))]


def meanings() -> dict[str, str]:
    """What the sources say of each code."""
    (codes,) = (
        node
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == ErrorCode.__name__
    )
    said: dict[str, str] = {}
    for name, text in pairwise(codes.body):
        if isinstance(name, ast.Assign) and isinstance(text, ast.Expr):
            said[ast.literal_eval(name.value)] = ast.literal_eval(text.value)
    return said


def test_every_code_is_in_the_guide_and_no_other() -> None:
    others = {row[0].strip("`") for row in table_rows(section(GUIDE, "Error codes"))}

    assert {code for code, _ in DOCUMENTED} | others == set(ErrorCode) - IN_NO_TABLE
    assert not others & {code for code, _ in DOCUMENTED}


@pytest.mark.parametrize(("code", "message"), DOCUMENTED)
def test_the_guide_has_the_message_that_comes_with_the_code(code: str, message: str) -> None:
    assert message in told()[code]


def test_the_guide_says_of_the_other_codes_what_the_sources_say() -> None:
    said = meanings()
    documented = {row[0].strip("`"): row[1] for row in table_rows(section(GUIDE, "Error codes"))}

    assert documented == {code: said[code] for code in documented}


def test_every_code_says_what_happened() -> None:
    assert set(meanings()) == set(ErrorCode)


def test_every_code_is_the_code_of_an_error() -> None:
    raised = set().union(*map(codes_of, trees()))

    assert raised == {code.name.lower() for code in ErrorCode}
    assert all(code == code.name.lower() for code in ErrorCode)


def test_every_cause_that_is_known_of_an_engines_end_is_in_a_table_of_the_guide() -> None:
    causes = [cause for _, cause in CAUSES_BY_LINE] + list(CAUSES_BY_EXIT.values())

    assert {cause.code for cause in causes} <= {code for code, _ in DOCUMENTED}


def test_the_guide_has_every_code_that_the_gateway_gives_of_its_own() -> None:
    calls = (
        node
        for path in (ROOT / "tray_app" / "gateway").rglob("*.py")
        if path.parent.name != "control"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )
    values = [word.value for call in calls for word in call.keywords if word.arg == "code"]
    given = {value.value for value in values if isinstance(value, ast.Constant) and value.value}
    given |= {code for _, _, _, code in refusals.OWN_WORDS if code} | {ENGINE_UNAVAILABLE}
    table = re.split(r"^\| code ", section(GUIDE, "What clients are told"), flags=re.MULTILINE)[1]
    documented = {span for row in table_rows("| code " + table) for span in code_spans(row[0])}

    assert given <= documented


# Architecture


def layers() -> list[str]:
    """The packages from top to bottom, as the import linter checks them."""
    config: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (found,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return list(found)


def test_the_picture_of_the_packages_is_the_contract_of_the_import_linter() -> None:
    picture = re.findall(r"^```\n(.*?)^```", section(ARCHITECTURE, "The packages"), re.MULTILINE | re.DOTALL)[
        0
    ]
    drawn = [re.split(r"\s{2,}", line.strip())[0].replace("│", "|") for line in picture.splitlines()]

    assert drawn == layers()


def test_the_packages_in_contributing_are_those_of_the_contract() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (rule,) = re.findall(r"Imports go downwards only: (.*?)\.\n", text)

    assert [part.strip("`") for part in rule.split(" › ")] == layers()  # noqa: RUF001


def packages() -> list[Path]:
    """The folders of the packages that the contract names, and those in them that have a README of their own;
    the contract's other entries are single modules.
    """
    names = [name for layer in layers() for name in layer.split(" | ")]
    named = [folder for name in names if (folder := ROOT / "tray_app" / name).is_dir()]
    return named + [readme.parent for folder in named for readme in folder.glob("*/README.md")]


def test_each_package_has_a_readme_and_contributing_links_to_it() -> None:
    linked = re.findall(
        r"\]\((tray_app/[\w/]+/README\.md)\)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    )

    assert sorted(ROOT / name for name in linked) == sorted(PACKAGE_READMES)
    assert sorted(readme.parent for readme in PACKAGE_READMES) == sorted(packages())


@pytest.mark.parametrize("package", packages(), ids=lambda folder: folder.name)
def test_the_readme_of_a_package_has_each_of_its_modules_once_and_no_other(package: Path) -> None:
    lines = section(package / "README.md", "To change …").splitlines()
    named = [code_spans(line)[-1] for line in lines if line.startswith("- ")]
    files = (
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if path.parent == package or path.parent not in packages()
    )

    assert sorted(named) == sorted(name for name in files if not name.endswith("__init__.py"))


NAMED_MODULE = re.compile(r"`((?:\w+/)*\w+\.py)`")


def test_every_module_that_a_document_or_a_comment_names_exists() -> None:
    readers = [*DOCUMENTS, *(ROOT / "tray_app").rglob("*.py")]
    files = [ROOT / "dev.py", *(file for folder in SOURCES for file in (ROOT / folder).rglob("*.py"))]
    named = {
        (name, reader.relative_to(ROOT).as_posix())
        for reader in readers
        for name in NAMED_MODULE.findall(reader.read_text(encoding="utf-8"))
    }
    ends = {"/".join(file.parts[-length:]) for file in files for length in range(1, 5)}

    assert sorted((name, reader) for name, reader in named if name not in ends) == []


def thread_names() -> Iterator[tuple[str, str]]:
    """The names that the sources give to threads, as patterns, with the module of each."""
    for file in sorted((ROOT / "tray_app").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Thread"):
                for keyword in node.keywords:
                    if keyword.arg == "name" and isinstance(keyword.value, ast.Constant | ast.JoinedStr):
                        words = re.split(r"{.*?}", ast.unparse(keyword.value).removeprefix("f").strip("'\""))
                        yield ".+".join(map(re.escape, words)), file.name


def test_every_thread_that_the_sources_name_has_a_row() -> None:
    rows = table_rows(section(ROOT / "CONTRIBUTING.md", "Where things are"))
    told = [
        name.replace("…", kind)
        for cells in rows
        for name in code_spans(cells[0])
        for kind in code_spans(cells[1]) or [""]
    ]
    named = list(thread_names())

    assert len(named) > 10
    assert [each for each in named if not any(re.fullmatch(each[0], name) for name in told)] == []


# Numbers


def test_every_number_that_the_readme_says_was_measured_is_in_the_saved_section_of_its_part() -> None:
    rows = table_rows(section(README, "Measured"))

    assert rows
    for what, command, measured, _ in rows:
        part = command.strip("`").removeprefix("python3 dev.py bench ").removesuffix(" --full")
        saved = section(BENCHMARKS, part.capitalize())
        numbers = re.findall(r"\d[\d.,]*\d|\d", re.sub(r"aria2c", "", measured))
        assert all(re.search(rf"\| -?{re.escape(number)} ", saved) for number in numbers), what


# Links


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
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
