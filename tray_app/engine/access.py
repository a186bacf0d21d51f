"""Where an engine of this machine is reached, and with which key. Any thread.

Programs use the gateway's address, where rules apply. A request to the engine's own port would bypass these
rules. So llama.cpp gets a new random key for every run, which is never written down. PowerInfer has no keys,
so it gets a loopback address that web pages cannot guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field

KEY_VARIABLE = "LLAMA_API_KEY"
"""llama-server reads its key from this variable. The command line would show the key to all users of the
machine."""
_SECRET_BYTES = 32
_TAIL = "-run"
"""The end of every key: llama.cpp prints the last four letters of its key, so they must not be part of the
secret."""


@dataclass(frozen=True, slots=True)
class Address:
    """An engine's port on this machine, as one run has it."""

    host: str
    port: int
    key: str = field(default="", repr=False)

    @property
    def base_url(self) -> str:
        """The engine's URL, without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every request to the engine must have."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the engine must be started with."""
        return {KEY_VARIABLE: self.key} if self.key else {}


def new_key() -> str:
    """A key for one run."""
    import secrets  # the engine's process, which reads this module for the variable, starts sooner without

    return secrets.token_urlsafe(_SECRET_BYTES) + _TAIL
