"""Brings sizes and digests of resources/catalog.toml to what the publishers' servers say: `dev.py catalogue`.

Reads the first byte of each file. What a server does not tell stays as it is; without a network, all of it.
"""

from __future__ import annotations

import re
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.download.address import HUGGING_FACE
from tray_app.download.faults import RefusedError
from tray_app.download.session import Session
from tray_app.download.source import describe_file, parse_source
from tray_app.errors import DownloadError
from tray_app.models.catalog import load_catalog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tray_app.download.source import RemoteFile
    from tray_app.models.catalog import CatalogEntry

CATALOG = Path(__file__).resolve().parent.parent / "resources" / "catalog.toml"
_TIMEOUT_S = (10.0, 30.0)
_ENTRY = re.compile(r"(?m)^(?=\[\[models\]\]$)")
_ID = re.compile(r'(?m)^id = "(.*)"$')


@dataclass(frozen=True, slots=True)
class Told:
    """What a server says of the files of one entry."""

    model: RemoteFile
    projector: RemoteFile | None = None


def main(path: Path = CATALOG, endpoint: str = HUGGING_FACE) -> int:
    """Ask about each entry and rewrite the file; the exit code: 1 if any could not be asked about."""
    told: dict[str, Told] = {}
    failed = False
    with Session() as session:
        for entry in load_catalog(path):
            if entry.builtin:
                continue
            try:
                told[entry.id] = ask(session, entry, endpoint)
            except RefusedError as exc:
                print(f"{entry.id}: {exc}")
                failed = True
            except DownloadError as exc:
                print(f"The catalog stays as it was. {exc}", file=sys.stderr)
                return 1
    text = path.read_text(encoding="utf-8")
    new = rewritten(text, told)
    path.write_text(new, encoding="utf-8")
    print(f"{len(told)} entries asked about; {'changed' if new != text else 'nothing has changed'}.")
    return 1 if failed else 0


def ask(session: Session, entry: CatalogEntry, endpoint: str) -> Told:
    """What the server says of an entry's files; `DownloadError` if it does not answer or refuses."""
    return Told(
        _ask(session, entry.source, endpoint),
        _ask(session, entry.projector, endpoint) if entry.projector else None,
    )


def rewritten(text: str, told: Mapping[str, Told]) -> str:
    """The catalog with what was told of its entries, by their ids; order and comments stay."""
    head, *entries = _ENTRY.split(text)
    return head + "".join(_entry(entry, told) for entry in entries)


def _ask(session: Session, address: str, endpoint: str) -> RemoteFile:
    source = parse_source(address, endpoint)
    hops = session.get_hops(source.url, {"Range": "bytes=0-0"}, _TIMEOUT_S)
    with closing(hops[-1]):
        return describe_file(source, [hop.headers for hop in hops])


def _entry(text: str, told: Mapping[str, Told]) -> str:
    found = _ID.search(text)
    known = told.get(found[1]) if found else None
    if known is None:
        return text
    if known.model.size_bytes is not None:
        text = _set(text, "size_bytes", f"{known.model.size_bytes:_}", after="file_name")
        text = text.replace("size_is_approximate = true\n", "")
    if known.model.sha256:
        text = _set(text, "sha256", f'"{known.model.sha256}"', after="size_bytes")
    if known.projector and known.projector.size_bytes is not None:
        text = _set(text, "projector_size_bytes", f"{known.projector.size_bytes:_}", after="projector")
    return text


def _set(text: str, key: str, value: str, *, after: str) -> str:
    """The entry with this line in place of the key's, else after that of another key."""
    line = f"{key} = {value}\n"
    changed, count = re.subn(rf"(?m)^{key} = .*\n", lambda _: line, text)
    return changed if count else re.sub(rf"(?m)^{after} = .*\n", lambda found: found[0] + line, text, count=1)


if __name__ == "__main__":
    sys.exit(main())
