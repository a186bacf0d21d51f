"""What benchmarks find: numbers with their units, the limits that they have to keep, and notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def written(value: float) -> str:
    """A number with three digits."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


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
        return f"{written(self.value)} {self.unit}"

    @property
    def goal(self) -> float | None:
        """What it should be at most or at least."""
        return self.least if self.most is None else self.most

    @property
    def goal_text(self) -> str:
        """The goal, without its unit; empty where there is none."""
        if self.goal is None:
            return ""
        return f"{'at least' if self.most is None else 'at most'} {self.goal:g}"

    @property
    def verdict(self) -> str:
        """The goal, and whether it is reached; empty where there is none."""
        if not self.goal_text:
            return ""
        missed = "TOO LITTLE" if self.most is None else "TOO MUCH"
        return f"{self.goal_text} {self.unit}: {'ok' if self.reached else missed}"

    def __str__(self) -> str:
        return f"{self.name:62} {self.number:>16}  {self.verdict}".rstrip()


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader must know beside the numbers, such as the versions of programs: sentences."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Curve:
    """How one thing grows with another: a number for each size."""

    name: str
    unit: str
    of: str
    """What there is more and more of: "models"."""
    points: tuple[tuple[int, float], ...]
    """By sizes, the smallest first."""

    @property
    def numbers(self) -> str:
        """All sizes with their numbers."""
        return ", ".join(f"{size:,}: {written(value)}" for size, value in self.points) + f" {self.unit}"

    def __str__(self) -> str:
        return f"{self.name:48} {self.numbers}"


Finding = Result | Curve | Note
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
