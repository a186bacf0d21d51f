"""Where an engine of this machine is reached, and with which key. Any thread.

Programs use the gateway's address, which has rules. Who asks the engine itself gets past them. So llama.cpp
is given a key that is made anew for every run and never written down, and PowerInfer, which knows no keys, an
address that web pages cannot guess.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

KEY_VARIABLE = "LLAMA_API_KEY"
"""As llama-server has it. Not on the command line, which all users of the machine see."""
_SECRET_BYTES = 32
_TAIL = "-run"
"""llama.cpp prints the last four letters of its key: these are no part of the secret."""


@dataclass(frozen=True, slots=True)
class Address:
    """An engine's port on this machine, as one run has it."""

    host: str
    port: int
    key: str = field(default="", repr=False)

    @property
    def base_url(self) -> str:
        """Without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What every request must have."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def environment(self) -> dict[str, str]:
        """What the engine must have."""
        return {KEY_VARIABLE: self.key} if self.key else {}


def new_key() -> str:
    """A key for one run."""
    return secrets.token_urlsafe(_SECRET_BYTES) + _TAIL
