"""ICU's data of Qt, without what Qt never asks for: with the real library, where there is one."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import icu
from freeze import PackagingError

ASKED = r"""
from functools import cmp_to_key
from PySide6.QtCore import QCollator, QLocale, QTimeZone

swedish, japanese = QLocale("sv_SE"), QLocale("ja_JP")
for locale in (swedish, japanese, QLocale("de_DE"), QLocale.c()):
    words = ["zebra", "ärta", "Apa", "apa", "日本", "あい", "アイ"]
    print(sorted(words, key=cmp_to_key(QCollator(locale).compare)))
kinds = QTimeZone.TimeType.StandardTime, QTimeZone.NameType.LongName
print([QTimeZone(b"Asia/Tokyo").displayName(*kinds, locale) for locale in (swedish, japanese, QLocale("fr"))])
print(QLocale("tr_TR").toUpper("i"))
print({line[line.index("/") :].strip() for line in open("/proc/self/maps") if "icudata" in line})
"""


def test_a_function_that_qt_did_not_use_before_stops_the_packaging() -> None:
    symbols = "         U ucol_open_73\n         U u_strToLower_73\n         U memcpy@GLIBC_2\n"
    icu.refuse_other_functions("libQt6Core.so.6", symbols)

    with pytest.raises(PackagingError, match=r"libQt6Core\.so\.6 now uses ubrk_open of ICU"):
        icu.refuse_other_functions("libQt6Core.so.6", symbols + "         U ubrk_open_73\n")


@pytest.mark.skipif(shutil.which("icupkg") is None, reason="needs ICU's tools")
def test_qt_sorts_and_names_zones_as_before_with_half_of_the_data(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("PySide6")
    assert spec is not None
    assert spec.origin is not None
    (library,) = Path(spec.origin).parent.glob("Qt/lib/libicudata.so.*")
    row = (f"PySide6/Qt/lib/{library.name}", str(library), "BINARY")
    other = ("numpy/a.so", "/somewhere/a.so", "EXTENSION")

    smaller, same = icu.with_less_data([row, other], tmp_path)

    copy = Path(smaller[1])
    assert same == other
    assert (smaller[0], smaller[2]) == (row[0], row[2])
    assert copy.stat().st_size < library.stat().st_size * 0.6
    assert answers(copy) == answers(library)


def answers(library: Path) -> str:
    """What Qt says in a process in which this library has been loaded first, and so in place of its own."""
    code = f"import ctypes; ctypes.CDLL({str(library)!r}, mode=ctypes.RTLD_GLOBAL)\n{ASKED}"
    command = [sys.executable, "-c", code]
    said, _, loaded = (
        subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
        .stdout.strip()
        .rpartition("\n")
    )
    assert loaded == str({str(library)})
    return said
