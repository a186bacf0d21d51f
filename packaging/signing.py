"""Signs the list of digests of a release with the key of those who make releases.

    python packaging/signing.py new-key FOLDER   make a key: once, on a computer that is trusted
    python packaging/signing.py sign FILE        write FILE.sig beside FILE

The app fetches packages of new versions only if `resources/release-key.pem` is there, and the list is signed
with the other half of it. `sign` takes that half from the variable `RELEASE_SIGNING_KEY`. It needs the
standard library and OpenSSL 3 alone: who holds the key runs as little code of others as possible. See
CONTRIBUTING.md, “New versions”.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PUBLIC_KEY = Path(__file__).resolve().parents[1] / "resources" / "release-key.pem"
KEY_NAME = "release-signing-key.pem"
VARIABLE = "RELEASE_SIGNING_KEY"
_OWNER_ALONE = 0o600


class SigningError(Exception):
    """Nothing was signed; the text says why."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; 1 and the reason if that is not possible."""
    parser = argparse.ArgumentParser(prog="signing.py", description="Sign the digests of a release.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("new-key").add_argument("folder", type=Path)
    commands.add_parser("sign").add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    try:
        if options.command == "new-key":
            print(new_key(options.folder))
        else:
            print(sign(options.file, os.environ.get(VARIABLE, "")))
    except (SigningError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def new_key(folder: Path, public_key: Path = PUBLIC_KEY) -> str:
    """Make a pair of keys: the secret one in this folder, the public one among the resources; what is next.

    `SigningError` if there is one already: with another, no app that is installed would trust a release.
    """
    secret = folder / KEY_NAME
    for each in (secret, public_key):
        if each.exists():
            raise SigningError(f"{each} is there already. Remove it first if you really want another key.")
    content = _openssl("genpkey", "-algorithm", "ed25519")
    _write_private(secret, content)
    public_key.write_bytes(_openssl("pkey", "-pubout", given=content))
    return (
        f"The secret key is in {secret}. Keep a copy offline, set its text as the secret {VARIABLE} of "
        "the repository's environment “release”, then delete the file.\n"
        f"The public key is in {public_key}. Commit it."
    )


def sign(file: Path, secret_key: str, public_key: Path = PUBLIC_KEY) -> Path:
    """Sign a file; where its signature is. `SigningError` unless the app would take it."""
    if not secret_key.strip():
        raise SigningError(f"{VARIABLE} is not set.")
    if not public_key.exists():
        raise SigningError(f"{public_key} is not there, so no app would check the signature.")
    signature = file.with_name(f"{file.name}.sig")
    with tempfile.TemporaryDirectory() as folder:  # OpenSSL reads a key from a file alone
        key = Path(folder) / KEY_NAME
        _write_private(key, f"{secret_key.strip()}\n".encode())
        _openssl("pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in", str(file), "-out", str(signature))
    check = ["-verify", "-rawin", "-pubin", "-inkey", str(public_key), "-in", str(file)]
    try:
        _openssl("pkeyutl", *check, "-sigfile", str(signature))
    except SigningError as exc:
        signature.unlink()
        raise SigningError(f"{VARIABLE} is not the secret half of {public_key}.") from exc
    return signature


def _write_private(path: Path, content: bytes) -> None:
    """Write a new file that its owner alone may read."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, _OWNER_ALONE)) as file:
        file.write(content)


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=False)
    except FileNotFoundError as exc:
        raise SigningError("OpenSSL 3 is not installed, or not on the PATH.") from exc
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip()
        raise SigningError(f"openssl {arguments[0]} failed ({done.returncode}): {told}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
