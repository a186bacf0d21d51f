"""Writes what winget, Homebrew and apt must know of a release. `python3 dev.py package listings` runs this.

Reads the packages of this version in a folder, those of all systems, as the release workflow has gathered
them. Writes beside them, in `listings/`:

- `winget/`: manifests for microsoft/winget-pkgs, of schema 1.12
- `homebrew/powerinfer-tray.rb`: a cask for a tap
- `apt/`: a repository that any web server can serve, signed if `APT_SIGNING_KEY` names a key of gpg

Nothing is published: who owns the release looks at these files and hands them in.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import contents
from freeze import ROOT, PackagingError, give_rights, print_in_any_locale, run_tool, sha256, source_date
from tray_app import __version__
from tray_app.app.release import PackageKind, package_name

if TYPE_CHECKING:
    from collections.abc import Sequence

TEMPLATES = Path(__file__).with_name("listings")
PACKAGES = {
    "setup": package_name(__version__, PackageKind.SETUP, "x86_64"),
    "arm": package_name(__version__, PackageKind.DMG, "arm64"),
    "intel": package_name(__version__, PackageKind.DMG, "x86_64"),
}
"""The packages that templates name."""
DEBS = tuple(package_name(__version__, PackageKind.DEB, machine) for machine in ("x86_64", "arm64"))
_REPOSITORY = re.compile(
    r"(?P<owner>[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?)/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}(?<!\.git)"
)
_LONGEST_PUBLISHER = 32
"""Letters that winget takes of one; an owner on GitHub may have 39."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the listings of the packages in a folder; 1 and the reason if that is not possible."""
    parser = argparse.ArgumentParser(prog="dev.py package listings", description=__doc__.split("\n")[0])
    parser.add_argument("repository", metavar="OWNER/NAME", help="where the release is, on GitHub")
    parser.add_argument(
        "folder", type=Path, nargs="?", default=ROOT / "dist", help="that of the packages; dist/"
    )
    options = parser.parse_args(arguments)
    print_in_any_locale()
    try:
        for file in make(options.folder, options.repository):
            print(file)
    except (PackagingError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def make(folder: Path, repository: str) -> list[Path]:
    """All listings of the packages in a folder; `PackagingError` if one is missing or a tool fails, `OSError`
    if they cannot be written. Then there are none.
    """
    if not (named := _REPOSITORY.fullmatch(repository)):
        raise PackagingError(f"“{repository}” is no repository on GitHub. Name it as OWNER/NAME.")
    folder = folder.resolve()  # tools run elsewhere
    debs = [folder / name for name in DEBS if (folder / name).is_file()]
    absent = [name for name in PACKAGES.values() if not (folder / name).is_file()]
    if absent or not debs:
        absent += [] if debs else [" or ".join(DEBS)]
        raise PackagingError(
            f"Not in {folder}: {', '.join(absent)}. Make or fetch the packages of all systems first."
        )
    identity = f"{named['owner'][:_LONGEST_PUBLISHER]}.PowerInferTray"
    values = {
        "owner": named["owner"],
        "identity": identity,
        "repository": repository,
        "version": __version__,
        "date": f"{datetime.fromtimestamp(source_date(), UTC):%Y-%m-%d}",
        "setup_url": f"https://github.com/{repository}/releases/download/v{__version__}/{PACKAGES['setup']}",
    }
    for name, package in PACKAGES.items():
        values[f"{name}_sha256"] = sha256(folder / package)
    values["setup_sha256"] = values["setup_sha256"].upper()  # as winget's own tools write it
    listings = folder / "listings"
    shutil.rmtree(listings, ignore_errors=True)
    try:
        made = [
            *winget_manifests(listings / "winget", values),
            fill(TEMPLATES / "cask.rb", listings / "homebrew" / f"{contents.APP}.rb", values),
            *apt_repository(listings / "apt", debs),
        ]
        give_rights(listings)  # a web server is to read them
    except BaseException:
        shutil.rmtree(listings, ignore_errors=True)  # nobody is to hand in a part of them, or one unsigned
        raise
    return made


def winget_manifests(folder: Path, values: dict[str, str]) -> list[Path]:
    """The manifests, called as winget wants it."""
    identity = values["identity"]
    names = {"version": identity, "installer": f"{identity}.installer"}
    return [
        fill(template, folder / f"{names.get(template.stem, f'{identity}.{template.stem}')}.yaml", values)
        for template in sorted((TEMPLATES / "winget").iterdir())
    ]


def fill(template: Path, file: Path, values: dict[str, str]) -> Path:
    """Write a template with its values; the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = Template(template.read_text(encoding="utf-8")).substitute(values)
    file.write_text(text, encoding="utf-8", newline="\n")
    return file


def apt_repository(folder: Path, debs: Sequence[Path]) -> list[Path]:
    """A flat repository of these packages, signed if `APT_SIGNING_KEY` names a key; its index files.

    `PackagingError` if one is damaged: apt's tool leaves it out, and says that all is well.
    """
    folder.mkdir(parents=True)
    for deb in debs:
        shutil.copyfile(deb, folder / deb.name)
    packages, release = folder / "Packages", folder / "Release"
    told = run_tool(["apt-ftparchive", "packages", "."], cwd=folder)
    if damaged := {deb.name for deb in debs} - set(re.findall(r"^Filename: \./(.+)$", told, re.MULTILINE)):
        raise PackagingError(f"Damaged: {', '.join(sorted(damaged))}. Make or fetch it again.")
    packages.write_text(told, encoding="utf-8")
    facts = {"Origin": contents.TITLE, "Label": contents.TITLE, "Suite": "stable", "Codename": "stable"}
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in facts.items()]
    release.write_text(run_tool(["apt-ftparchive", *options, "release", "."], cwd=folder), encoding="utf-8")
    if not (key := os.environ.get("APT_SIGNING_KEY")):
        return [packages, release]
    signed = folder / "InRelease"
    run_tool(["gpg", "--batch", "--local-user", key, "--clearsign", "--output", signed, release])
    return [packages, release, signed]


if __name__ == "__main__":
    sys.exit(main())
