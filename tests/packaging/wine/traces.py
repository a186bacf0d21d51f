"""What an installation leaves: files and registry of a Wine, before and after. Main thread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

HIVES = {"user.reg": "HKCU", "system.reg": "HKLM"}
# What Windows itself keeps there while programs come and go.
_NOISE = re.compile(
    r"""
    windows/(temp|Installer|INF)/ | users/[^/]+/Temp/ | users/[^/]+/AppData/Local/Temp/
    | HKLM/System/ | HKLM/Software/Microsoft/Windows[^/]*/CurrentVersion/(Perflib|Explorer)
    | HKCU/Volatile[ ]Environment | HKCU/Software/Wine/(?!Credential[ ]Manager/(?!EncryptionKey))
    | HKCU/Software/Microsoft/Windows/CurrentVersion/Explorer(?!/StartupApproved)
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Names that are there now and were not, the other way round, and those whose value is another."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def without(self, *prefixes: str) -> Difference:
        """The same without what lies at or below one of these names."""

        def others(names: Iterable[str]) -> tuple[str, ...]:
            return tuple(
                name
                for name in names
                if not any(name == prefix or name.startswith(prefix + "/") for prefix in prefixes)
            )

        return Difference(others(self.added), others(self.removed), others(self.changed))


def snapshot(prefix: Path) -> dict[str, str]:
    """Every file, folder and registry value below a Wine prefix in which nothing runs, and what it holds."""
    disk = prefix / "drive_c"
    found = {
        path.relative_to(disk).as_posix(): "" if path.is_dir() else str(path.lstat().st_size)
        for path in disk.rglob("*")
    }
    for file, hive in HIVES.items():
        text = (prefix / file).read_text(encoding="utf-8", errors="replace")
        found |= {f"{hive}/{name}": value for name, value in parse_registry(text).items()}
    return found


def parse_registry(text: str) -> dict[str, str]:
    r"""Keys and values of one of Wine's registry files, by their path with `/`; a key's own value is empty.

    A line is `[Key\\Sub] time`, `"name"=value` or `@=value`; a long value goes on after a backslash.
    """
    found: dict[str, str] = {}
    key = ""
    for line in text.replace("\\\n", "").splitlines():
        if header := re.match(r"\[(.+)\](?: \d+)?$", line):
            key = header[1].replace("\\\\", "/")
            found[key] = ""
        elif value := re.match(r'(?:"((?:[^"\\]|\\.)*)"|(@))=(.*)$', line):
            found[f"{key}/{value[1] or '@'}"] = value[3]
    return found


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    """What has changed between two snapshots, apart from Windows' own bookkeeping."""
    return Difference(
        *(
            tuple(sorted(name for name in names if not _NOISE.match(name)))
            for names in (
                after.keys() - before.keys(),
                before.keys() - after.keys(),
                {name for name in before.keys() & after.keys() if before[name] != after[name]},
            )
        )
    )
