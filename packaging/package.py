"""Makes the packages of a system. `python3 dev.py package SYSTEM` runs this in `.venv`. Main thread."""

from __future__ import annotations

import argparse
import sys

import contents
import freeze
import linux
from freeze import PackagingError

MAKERS = {"linux": linux.make}


def main() -> int:
    """Make what the command line asks for; 1 and the reason if that is not possible."""
    parser = argparse.ArgumentParser(prog="dev.py package", description="Make packages, into dist/.")
    parser.add_argument("system", choices=sorted(MAKERS))
    options = parser.parse_args()
    try:
        folder = freeze.freeze(options.system)
        freeze.prove(folder / contents.APP)
        for package in MAKERS[options.system](folder, freeze.ROOT / "dist"):
            print(f"{package}  {package.stat().st_size / 1e6:.0f} MB")
    except PackagingError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
