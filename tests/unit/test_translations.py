"""Every text of the app is there in every language, and nobody can forget one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.texts import Found, Message, find_texts
from tools.translations import FOLDER, ROOT, Translation, problems_of, read, rendered
from tray_app.ui.languages import TRANSLATED

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = "[[models]]\nname = 'Our own'\nnote = 'Comes with the app.'\n"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "tray_app").mkdir()
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "catalog.toml").write_text(CATALOGUE)
    return tmp_path


def found_in(sources: Path, code: str) -> tuple[list[str], list[str]]:
    """The texts and the defects of a module with that code, without those of the catalogue."""
    (sources / "tray_app" / "module.py").write_text(code)
    found = find_texts(sources)
    return [text for text in found.messages if text not in CATALOGUE], [str(one) for one in found.defects]


def test_every_text_is_translated_with_all_its_values_and_mnemonics() -> None:
    assert [*problems_of(find_texts(ROOT), FOLDER)] == []


def test_the_catalogue_is_translated_but_for_the_names_of_other_peoples_models(sources: Path) -> None:
    (sources / "resources" / "catalog.toml").write_text(
        f"{CATALOGUE}[[models]]\nname = 'Bamboo'\nsource = 'hf:a/b/c.gguf'\nnote = 'Sparse.'\n"
    )

    assert list(find_texts(sources).messages) == ["Our own", "Comes with the app.", "Sparse."]


@pytest.mark.parametrize(
    "code",
    [
        "tr('Told')",
        "phrase('Told')",
        "def helper(why: Text): ...\nhelper('Told')",
        "def helper(*, why: Text): ...\nhelper(why='Told')",
        "def helper(why: Text = 'Told'): ...",
        "def helper() -> Text:\n    return 'Told'",
        "def helper(why: Text): ...\nhelper(other or 'Told')",
        "_HINT = 'Told'\ndef helper(why: Text): ...\nhelper(_HINT)",
        "REASONS: dict[str, Text] = {'key': 'Told'}",
        "class Row:\n    key: str\n    title: Text\nRow('key', 'Told')",
        (
            "class Base:\n    def __init__(self, title: Text): ...\n"
            "class Heir(Base):\n    def __init__(self):\n        super().__init__('Told')"
        ),
        "class Base:\n    def __init__(self, title: Text): ...\nclass Heir(Base): ...\nraise Heir('Told')",
    ],
)
def test_a_text_is_found_wherever_its_type_or_call_says_that_it_is_one(sources: Path, code: str) -> None:
    assert found_in(sources, code) == (["Told"], [])


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("tr(title)", "literal"),
        ("tr(f'{count} files')", "literal"),
        ("phrase('a' + b)", "literal"),
        ("def helper(why: Text): ...\nhelper(f'{name} is gone')", "phrase("),
        ("def helper(why: Text): ...\nhelper('gone: ' + name)", "phrase("),
    ],
)
def test_a_text_that_is_put_together_is_a_defect(sources: Path, code: str, why: str) -> None:
    texts, defects = found_in(sources, code)

    assert texts == []
    assert len(defects) == 1
    assert why in defects[0]


@pytest.mark.parametrize(
    ("shown", "count"),
    [
        ("QLabel('Told')", 1),
        ("label.setText('Told' if ready else other)", 1),
        ("QLineEdit(placeholderText='Told')", 1),
        ("label.setText(f'Told {count}')", 1),
        ("label.setText(tr('Told'))", 0),
        ("label.setText(f'{count} · {size}')", 0),
        ("line.setPlaceholderText('https://…')", 0),
    ],
)
def test_a_widget_is_given_no_text_past_the_translator(sources: Path, shown: str, count: int) -> None:
    (sources / "tray_app" / "ui").mkdir()
    (sources / "tray_app" / "ui" / "page.py").write_text(shown)

    assert len(found_in(sources, "")[1]) == count


def test_what_the_terminal_alone_says_stays_english(sources: Path) -> None:
    (sources / "tray_app" / "cli").mkdir()
    (sources / "tray_app" / "cli" / "main.py").write_text("def fail(title: Text): ...\nfail('Told')")

    assert found_in(sources, "") == ([], [])


def test_a_module_of_the_window_is_translated_whatever_its_name(sources: Path) -> None:
    (sources / "tray_app" / "ui").mkdir()
    (sources / "tray_app" / "ui" / "terminal.py").write_text("tr('Told')")

    assert found_in(sources, "") == (["Told"], [])


FOUND = Found({"{count} lines": Message("{count} lines", "logs.py", counted=True)})


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_file_is_read_as_it_was_written(tmp_path: Path, language: str) -> None:
    known = {"{count} lines": Translation(("{count} a", "{count} b") if language == "fr" else ("{count} c",))}
    path = tmp_path / "x.ts"
    path.write_text(rendered(language, FOUND, known), "utf-8")

    assert read(path) == known
    assert "unfinished" not in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("forms", "problem"),
    [
        (("", ""), "not translated"),
        (("{count} ligne", ""), "not translated"),
        (("{count} ligne", "lignes"), "other values"),
        (("{count} &ligne", "{count} &lignes"), "mnemonic"),
    ],
)
def test_a_translation_that_lacks_something_is_a_problem(
    tmp_path: Path, forms: tuple[str, ...], problem: str
) -> None:
    for language in TRANSLATED:
        known = {"{count} lines": Translation(forms if language == "fr" else ("{count} 行",))}
        path = tmp_path / f"powerinfer_tray_{language}.ts"
        path.write_text(rendered(language, FOUND, known), "utf-8")

    told = [one for one in problems_of(FOUND, tmp_path) if "out of date" not in one]

    assert told
    assert all(problem in one for one in told)
