"""A certificate authority for one test, which signs Windows programs as a real one would. Main thread."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_EXTENSIONS = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n"


@dataclass(frozen=True, slots=True)
class Authority:
    """Whoever trusts `authority.pem` trusts what `command` has signed."""

    folder: Path

    @classmethod
    def throwaway(cls, folder: Path) -> Authority:
        """An authority and a signer, with their keys in a folder."""
        key = ("-newkey", "rsa:3072", "-nodes")
        usage = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl(
            folder,
            "req",
            "-x509",
            *key,
            "-days",
            "2",
            "-subj",
            "/CN=Test Authority",
            "-keyout",
            "authority.key",
            "-out",
            "authority.pem",
            *(word for one in usage for word in ("-addext", one)),
        )
        _openssl(
            folder, "req", *key, "-subj", "/CN=Test Signer", "-keyout", "signer.key", "-out", "signer.csr"
        )
        (folder / "extensions").write_text(_EXTENSIONS)
        _openssl(
            folder,
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            "signer.csr",
            "-CA",
            "authority.pem",
            "-CAkey",
            "authority.key",
            "-CAcreateserial",
            "-extfile",
            "extensions",
            "-out",
            "signer.pem",
        )
        return cls(folder)

    @property
    def command(self) -> str:
        """What signs, in place, the file whose path is put after it."""
        return shlex.join([sys.executable, __file__, str(self.folder)])

    def sign(self, file: Path) -> None:
        """Sign a program in place."""
        signed = file.with_name(f"{file.name}.signed")
        keys: list[str | Path] = [
            "-certs",
            self.folder / "signer.pem",
            "-key",
            self.folder / "signer.key",
            "-h",
            "sha256",
        ]
        subprocess.run(["osslsigncode", "sign", *keys, "-in", file, "-out", signed], check=True)
        signed.replace(file)

    def verifies(self, file: Path) -> bool:
        """Whether a program is signed by this authority's signer, and as it was then."""
        trusted: list[str | Path] = ["-CAfile", self.folder / "authority.pem"]
        verify: list[str | Path] = ["osslsigncode", "verify", *trusted, "-in", file]
        return subprocess.run(verify, capture_output=True, check=False).returncode == 0


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


if __name__ == "__main__":
    Authority(Path(sys.argv[1])).sign(Path(sys.argv[2]))
