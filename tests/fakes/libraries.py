"""Libraries that take seconds to import, for the few tests that use them."""

from importlib import import_module
from types import ModuleType
from typing import Any


class WhenUsed(ModuleType):
    """Stands for a library, which is imported when something of it is first used.

    Each process of a run imports all files with tests, but runs only a part of them.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest asks each object of a file for some of these
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)
