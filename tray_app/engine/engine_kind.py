"""The kinds of engines. Pure."""

from __future__ import annotations

from enum import StrEnum


class EngineKind(StrEnum):
    """How an engine is started and spoken to."""

    LLAMA_CPP = "llama.cpp"
    """The llama.cpp that comes with this app; it runs in a process of its own."""
    LLAMA_SERVER = "llama-server"
    """A llama-server that the person has installed."""
    POWERINFER = "powerinfer"
    REMOTE = "remote"
    """A server on another machine, which this app neither starts nor stops."""

    @property
    def takes_key(self) -> bool:
        """Whether it accepts a key for each run, and answers only requests with that key."""
        return self in (EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER)
