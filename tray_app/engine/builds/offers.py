"""The available builds, as `resources/engines.toml` pins them by size and digest. Any thread."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import structs

from tray_app.engine.builds.build import BackEnd, PublishedBuild, PublishedFile
from tray_app.errors import EngineError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.files import read_regular
from tray_app.system.host import System
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.phrases import Text

BUILD_ID = r"\A(?!(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\Z))[a-z0-9][a-z0-9.-]{0,99}(?<!\.)(?<!\.json)\Z"
"""What names of builds look like. They are also names of folders, on every system."""
BuildId = Annotated[str, msgspec.Meta(pattern=BUILD_ID)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Filled = Annotated[str, msgspec.Meta(min_length=1)]
_Address = Annotated[str, msgspec.Meta(pattern=r"\Ahttps://[^\s?#]+[^\s?#/]\Z")]
_ArchiveName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]*\.(zip|tar\.gz)\Z")]

_Numbers = tuple[Annotated[int, msgspec.Meta(ge=0)], ...]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: _ArchiveName
    size_bytes: Annotated[int, msgspec.Meta(gt=0)]
    sha256: Sha256
    terms: _Filled


class _Build(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: BuildId
    system: System
    machine: _Filled
    back_end: BackEnd
    files: Annotated[tuple[_File, ...], msgspec.Meta(min_length=1)]
    version: str = ""
    oldest_driver: _Numbers = ()
    oldest_glibc: _Numbers = ()


class _Offers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    release: _Filled
    address: _Address
    builds: tuple[_Build, ...]


def published_builds(path: Path | None = None, *, mirror: str = "") -> tuple[PublishedBuild, ...]:
    """The builds for all systems, in the order of the file.

    `path`: a file to read in place of the app's own, for tests. `mirror`: the address that has the archives
    as RELEASE/FILE, in place of their makers'. `EngineError` if the file is missing or wrong; it says where.
    """
    path = path or resources() / "engines.toml"
    try:
        offers = msgspec.toml.decode(read_regular(path), type=_Offers)
    except (
        OSError,
        ValueError,
        RecursionError,
    ) as exc:  # ValueError: not TOML, not a list, or not UTF-8
        raise _unreadable(path, str(exc)) from exc
    names = Counter((each.system, each.machine, each.id) for each in offers.builds)
    for (system, machine, build_id), count in names.items():
        if count > 1:
            raise _unreadable(
                path,
                phrase(
                    "{id} is listed twice for {system} ({machine}).",
                    id=build_id,
                    system=system,
                    machine=machine,
                ),
            )
    if mirror := mirror.strip().rstrip("/"):
        offers = structs.replace(offers, address=f"{mirror}/{offers.release}")
    return tuple(_published(each, offers) for each in offers.builds)


def _published(build: _Build, offers: _Offers) -> PublishedBuild:
    return PublishedBuild(
        id=build.id,
        release=offers.release,
        system=build.system,
        machine=build.machine,
        back_end=build.back_end,
        address=offers.address,
        files=tuple(
            PublishedFile(each.name, each.size_bytes, each.sha256, each.terms) for each in build.files
        ),
        oldest_driver=build.oldest_driver,
        version=build.version,
        oldest_glibc=build.oldest_glibc,
    )


def _unreadable(path: Path, why: Text) -> EngineError:
    return EngineError(
        ErrorCode.ENGINE_LIST_UNREADABLE,
        "The list of available engines could not be read",
        phrase("{path}: {why}", path=path, why=why),
        "Reinstall the app or fix the file.",
    )
