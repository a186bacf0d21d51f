"""Finds every text that a person may read in the sources, by the calls and types that carry it. Pure.

These are collected, and must be literals there:

- what `tr(…)` and `tr.count(…)` are given, and the words of `phrase(…)`;
- what stands where the type is `Text`: arguments, results, defaults, annotated names, fields of a class.

In the user interface, a literal that a widget is given past all this is a defect.
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

TERMINAL_ONLY = frozenset(
    {
        "__main__.py",
        "cli/main.py",
        "cli/models.py",
        "cli/quantize.py",
        "cli/running.py",
        "cli/serve.py",
        "cli/tune.py",
        "cli/common.py",
        "cli/output.py",
        "cli/progress.py",
        "app/command_service.py",
        "app/computer_checks.py",
        "app/diagnostic_report.py",
        "app/engine_checks.py",
        "app/model_checks.py",
        "app/selftest.py",
        "gateway/control/commands.py",
        "gateway/control/jobs.py",
    }
)
"""The terminal speaks English, and so do reports."""

_SHOWN_BY = frozenset(
    [
        "QAction",
        "QCheckBox",
        "QGroupBox",
        "QLabel",
        "QListWidgetItem",
        "QPushButton",
        "QRadioButton",
        "addAction",
        "addItem",
        "addMenu",
        "addRow",
        "addTab",
        "insertTab",
        "setAccessibleDescription",
        "setAccessibleName",
        "setInformativeText",
        "setLabel",
        "setPlaceholderText",
        "setSpecialValueText",
        "setSuffix",
        "setText",
        "setTitle",
        "setToolTip",
        "setWindowTitle",
        "showMessage",
    ]
)
"""What shows the texts that it is given."""
_SHOWN_AS = frozenset({"placeholderText", "text", "title", "toolTip"})


@dataclass(frozen=True, slots=True)
class Message:
    """A text of the sources; `counted` if it has a form for every grammatical number."""

    source: str
    file: str
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Defect:
    """A place where a text is put together, so that nobody can translate it."""

    file: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.why}"


@dataclass
class Found:
    """Everything that was found, in the order of the sources."""

    messages: dict[str, Message] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Signature:
    """Which arguments of a callable are texts: the places, and the names."""

    places: frozenset[int]
    names: frozenset[str]


def find_texts(root: Path) -> Found:
    """All texts of the package and of the catalog of models below `root`."""
    found = Found()
    trees = {
        path.relative_to(root).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted((root / "tray_app").rglob("*.py"))
    }
    signatures = _signatures(trees.values())
    for file, tree in trees.items():
        if file.removeprefix("tray_app/") not in TERMINAL_ONLY:
            _Collector(file, signatures, found).collect(tree)
    for text in _catalogue(root / "resources" / "catalog.toml"):
        found.messages.setdefault(text, Message(text, "resources/catalog.toml"))
    return found


def _catalogue(path: Path) -> Iterator[str]:
    """What it says of models; their names are the same in every language, but for the app's own."""
    for entry in tomllib.loads(path.read_text("utf-8"))["models"]:
        if "source" not in entry:
            yield entry["name"]
        yield entry["note"]


class _Collector:
    """Goes through one module."""

    def __init__(self, file: str, signatures: dict[str, _Signature], found: Found) -> None:
        self._file = file
        self._signatures = signatures
        self._found = found
        self._constants: dict[str, ast.expr] = {}
        self._texts: dict[tuple[int, int], Message] = {}

    def collect(self, tree: ast.Module) -> None:
        """Add its texts to what was found, in the order in which they stand there."""
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self._constants[statement.targets[0].id] = statement.value
        for node in ast.walk(tree):
            match node:
                case ast.Call():
                    self._call(node)
                    if self._file.startswith("tray_app/ui/"):
                        self._shown(node)
                case ast.AnnAssign(value=ast.expr() as value) if _is_text(node.annotation):
                    self._text(value)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._function(node)
                case ast.ClassDef():
                    self._class(node)
        for _, message in sorted(self._texts.items()):
            self._found.messages.setdefault(message.source, message)

    def _call(self, call: ast.Call) -> None:
        match call.func:
            case ast.Name(id="tr" | "phrase"):
                self._literal(call.args[0])
            case ast.Attribute(value=ast.Name(id="tr"), attr="count"):
                self._literal(call.args[1], counted=True)
            case _ if signature := self._signatures.get(_last_name(call.func)):
                self._arguments(call, signature)

    def _class(self, class_: ast.ClassDef) -> None:
        """What it hands to the class that it is made of."""
        bases = [self._signatures[name] for name in map(_last_name, class_.bases) if name in self._signatures]
        for node in ast.walk(class_) if bases else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__":
                self._arguments(node, bases[0])

    def _arguments(self, call: ast.Call, signature: _Signature) -> None:
        for place, argument in enumerate(call.args):
            if place in signature.places:
                self._text(argument)
        for keyword in call.keywords:
            if keyword.arg in signature.names:
                self._text(keyword.value)

    def _shown(self, call: ast.Call) -> None:
        """Qt's calls that show a text."""
        name = _last_name(call.func)
        shown = [keyword.value for keyword in call.keywords if keyword.arg in _SHOWN_AS]
        if name in _SHOWN_BY:
            shown += call.args[1:] if name == "setLabel" else call.args
        for node in shown:
            if any(map(_has_words, _own_literals(node))):
                self._defect(node, "this must go through tr(…)")

    def _function(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for argument, default in _defaults(function.args):
            if _is_text(argument.annotation):
                self._text(default)
        if _is_text(function.returns):
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value:
                    self._text(node.value)

    def _literal(self, node: ast.expr, *, counted: bool = False) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self._add(node, node.value, counted=counted)
        else:
            self._defect(node, "this must be a literal")

    def _text(self, node: ast.expr) -> None:
        """An expression whose value a person reads; what comes from elsewhere is not its business."""
        match node:
            case ast.Constant(value=str(text)):
                self._add(node, text)
            case ast.JoinedStr() | ast.BinOp():
                self._defect(node, 'this must be phrase("… {name} …", name=…)')
            case _:
                for part in self._parts(node):
                    self._text(part)

    def _parts(self, node: ast.expr) -> Iterable[ast.expr]:
        """The expressions of which one, or all, are what a person reads."""
        match node:
            case ast.IfExp():
                return node.body, node.orelse
            case ast.BoolOp() | ast.Dict():
                return node.values
            case ast.Tuple():
                return node.elts
            case ast.Name(id=name) if name in self._constants:
                return (self._constants[name],)
            case _:
                return ()

    def _add(self, node: ast.expr, text: str, *, counted: bool = False) -> None:
        if text:
            self._texts[node.lineno, node.col_offset] = Message(text, self._file, counted=counted)

    def _defect(self, node: ast.expr, why: str) -> None:
        self._found.defects.append(Defect(self._file, node.lineno, why))


def _signatures(trees: Iterable[ast.Module]) -> dict[str, _Signature]:
    """By its bare name, what of a callable's arguments are texts."""
    found: dict[str, _Signature] = {}
    heirs: dict[str, list[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("__"):
                _note(found, node.name, _of_function(node))
            elif isinstance(node, ast.ClassDef):
                _note(found, node.name, _of_class(node))
                for base in node.bases:
                    heirs.setdefault(_last_name(base), []).append(node.name)
    waiting = list(found)
    while waiting:
        name = waiting.pop()
        for heir in heirs.get(name, ()):
            if heir not in found:
                found[heir] = found[name]
                waiting.append(heir)
    return found


def _note(found: dict[str, _Signature], name: str, signature: _Signature) -> None:
    if signature.names:
        found[name] = signature


def _of_function(function: ast.FunctionDef) -> _Signature:
    arguments = [*function.args.posonlyargs, *function.args.args]
    if arguments and arguments[0].arg in ("self", "cls"):
        arguments = arguments[1:]
    return _signature_of([(one.arg, one.annotation) for one in arguments], function.args.kwonlyargs)


def _of_class(class_: ast.ClassDef) -> _Signature:
    for node in class_.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return _of_function(node)
    fields = [node for node in class_.body if isinstance(node, ast.AnnAssign)]
    return _signature_of([(_last_name(node.target), node.annotation) for node in fields])


def _signature_of(
    arguments: list[tuple[str, ast.expr | None]], by_name: Iterable[ast.arg] = ()
) -> _Signature:
    return _Signature(
        frozenset(place for place, (_, annotation) in enumerate(arguments) if _is_text(annotation)),
        frozenset(name for name, annotation in arguments if _is_text(annotation))
        | frozenset(one.arg for one in by_name if _is_text(one.annotation)),
    )


def _defaults(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr]]:
    by_place = [*arguments.posonlyargs, *arguments.args]
    yield from zip(by_place[len(by_place) - len(arguments.defaults) :], arguments.defaults, strict=True)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default:
            yield argument, default


def _own_literals(node: ast.AST) -> Iterator[str]:
    """The texts in an expression, but for what it calls."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Call():
            return
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _own_literals(child)


def _has_words(text: str) -> bool:
    """Whether a person would read it; addresses are the same in every language."""
    return "://" not in text and any(letter.isalpha() for letter in text)


def _is_text(annotation: ast.expr | None) -> bool:
    """Whether a type is `Text`, or a collection of such."""
    return annotation is not None and any(
        isinstance(node, ast.Name) and node.id == "Text" for node in ast.walk(annotation)
    )


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
