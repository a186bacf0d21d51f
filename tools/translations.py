"""Keeps the translations in step with the sources: `python -m tools.translations update | check`.

`update` writes every text of the sources into `resources/translations/*.ts`, which Qt Linguist opens, keeps
what is translated already, and makes the `.qm` files that the app loads. Both are kept in git, so that a
clone, a wheel and a package speak every language without Qt's tools. `check` fails, with the reasons, if a
text lacks its translation or anything is out of step.
"""

from __future__ import annotations

import re
import shutil
import string
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.texts import find_texts
from tray_app.ui.languages import TRANSLATED
from tray_app.ui.texts import CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.texts import Found, Message

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "resources" / "translations"
FORMS = {"fr": 2, "ja": 1}
"""How many grammatical numbers a language has, as Qt counts them."""

_MNEMONIC = re.compile(r"&\w")


@dataclass(frozen=True, slots=True)
class Translation:
    """A text in another language: one form, or one for every grammatical number. Empty: unfinished."""

    forms: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether there is something for every number."""
        return all(self.forms)


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code."""
    found = find_texts(ROOT)
    match arguments:
        case ["update"]:
            for language in TRANSLATED:
                update(language, found)
            problems = [*problems_of(found, FOLDER)]
        case ["check"]:
            problems = [*problems_of(found, FOLDER)]
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


def update(language: str, found: Found) -> None:
    """Bring one language's files to what the sources say."""
    path = _ts(FOLDER, language)
    path.write_text(rendered(language, found, read(path)), "utf-8")
    compile_ts(path, path.with_suffix(".qm"))


def problems_of(found: Found, folder: Path) -> Iterator[str]:
    """Everything that is wrong with the translations in a folder."""
    yield from map(str, found.defects)
    for language in TRANSLATED:
        path = _ts(folder, language)
        known = read(path)
        for message in found.messages.values():
            translation = known.get(message.source)
            if translation is None or not translation.finished:
                yield f"{path.name}: not translated: {message.source!r} ({message.file})"
            else:
                yield from _misfits(path.name, message, translation)
        if path.read_text("utf-8") != rendered(language, found, known) or not _is_compiled(path):
            yield f"{path.name}: out of date; run python3 dev.py translate"


def _misfits(file: str, message: Message, translation: Translation) -> Iterator[str]:
    """What a translation forgets, or has too much."""
    for form in translation.forms:
        if bool(_MNEMONIC.search(form)) != bool(_MNEMONIC.search(message.source)):
            yield f"{file}: the mnemonic: {message.source!r} → {form!r}"
        if _values(form) != _values(message.source):
            yield f"{file}: other values than in the text: {message.source!r} → {form!r}"


def _values(text: str) -> list[tuple[str, str]]:
    return sorted((name, spec or "") for _, name, spec, _ in string.Formatter().parse(text) if name)


def read(path: Path) -> dict[str, Translation]:
    """The translations of a file by their English text; none if it is not there."""
    if not path.exists():
        return {}
    found = {}
    for message in ET.parse(path).iter("message"):  # noqa: S314 - a file of this repository
        translation = message.find("translation")
        if translation is None:
            continue
        forms = [form.text or "" for form in translation.iter("numerusform")] or [translation.text or ""]
        found[message.findtext("source", "")] = Translation(tuple(forms))
    return found


def rendered(language: str, found: Found, known: dict[str, Translation]) -> str:
    """The file of a language: all texts of the sources, in their order, with what is translated of them."""
    root = ET.Element("TS", version="2.1", language=language, sourcelanguage="en")
    context = ET.SubElement(root, "context")
    ET.SubElement(context, "name").text = CONTEXT
    for message in found.messages.values():
        count = FORMS[language] if message.counted else 1
        translation = known.get(message.source)
        if translation is None or len(translation.forms) != count:
            translation = Translation(("",) * count)
        context.append(_element(message, translation))
    ET.indent(root, "    ")
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{body}\n'


def _element(message: Message, translation: Translation) -> ET.Element:
    element = ET.Element("message", {"numerus": "yes"} if message.counted else {})
    ET.SubElement(element, "location", filename=f"../../{message.file}")
    ET.SubElement(element, "source").text = message.source
    target = ET.SubElement(element, "translation", {} if translation.finished else {"type": "unfinished"})
    if message.counted:
        for form in translation.forms:
            ET.SubElement(target, "numerusform").text = form
    else:
        target.text = translation.forms[0]
    return element


def _ts(folder: Path, language: str) -> Path:
    return folder / f"powerinfer_tray_{language}.ts"


def compile_ts(ts: Path, qm: Path) -> None:
    """Make what Qt loads of what people edit."""
    program = shutil.which("pyside6-lrelease", path=str(Path(sys.executable).parent))
    if program is None:
        sys.exit("pyside6-lrelease is not beside this Python: run python3 dev.py translate")
    subprocess.run([program, "-silent", ts, "-qm", qm], check=True)


def _is_compiled(ts: Path) -> bool:
    """Whether the file beside it is what Qt makes of it."""
    qm = ts.with_suffix(".qm")
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / qm.name
        compile_ts(ts, fresh)
        return qm.exists() and qm.read_bytes() == fresh.read_bytes()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
