"""What benchmarks find: numbers with their units, and the limits that they have to keep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One number, and what it may be at most where that is promised."""

    name: str
    value: float
    limit: float | None
    unit: str

    @property
    def kept(self) -> bool:
        return self.limit is None or self.value <= self.limit

    @property
    def number(self) -> str:
        """The value with three digits, and its unit."""
        digits = 0 if self.value >= 100 else 1 if self.value >= 10 else 2
        return f"{self.value:,.{digits}f} {self.unit}"

    @property
    def verdict(self) -> str:
        """What is promised, and whether it is kept; empty if nothing is."""
        if self.limit is None:
            return ""
        return f"at most {self.limit:g} {self.unit}: {'ok' if self.kept else 'TOO MUCH'}"

    def __str__(self) -> str:
        return f"{self.name:62} {self.number:>16}  {self.verdict}".rstrip()
