"""What benchmarks find: numbers with their units, the limits that they have to keep, and notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Result:
    """One number, and what it should be at most or at least."""

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def reached(self) -> bool:
        too_much = self.most is not None and self.value > self.most
        too_little = self.least is not None and self.value < self.least
        return not (too_much or too_little)

    @property
    def number(self) -> str:
        """The value with three digits, and its unit."""
        digits = 0 if self.value >= 100 else 1 if self.value >= 10 else 2
        return f"{self.value:,.{digits}f} {self.unit}"

    @property
    def verdict(self) -> str:
        """The goal, and whether it is reached; empty where there is none."""
        if self.most is not None:
            return f"at most {self.most:g} {self.unit}: {'ok' if self.reached else 'TOO MUCH'}"
        if self.least is not None:
            return f"at least {self.least:g} {self.unit}: {'ok' if self.reached else 'TOO LITTLE'}"
        return ""

    def __str__(self) -> str:
        return f"{self.name:62} {self.number:>16}  {self.verdict}".rstrip()


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader must know beside the numbers, such as the versions of programs: sentences."""

    text: str

    def __str__(self) -> str:
        return self.text


Finding = Result | Note
"""What a part of the benchmarks yields."""


def shown(found: Iterable[Finding], indent: str = "") -> list[Finding]:
    """Print all that a part finds, each as soon as it is there."""
    findings = []
    for finding in found:
        print(f"{indent}{finding}", flush=True)
        findings.append(finding)
    return findings


def reached(findings: Iterable[Finding]) -> bool:
    """Whether no goal is missed."""
    return all(finding.reached for finding in findings if isinstance(finding, Result))
