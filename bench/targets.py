"""What is wanted, beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.machine import table

HEAD = ("what", "", "target", "that is", "measured", "")


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that must not exceed a bound.

    Attributes:
        of: what was measured: a net, a command.
        what: what of it.
        bound: the bound in words.
        most: the bound.
        measured: the figure.
        unit: of both.
        digits: that are shown of both.
        failed: the command did not succeed, so that there is no figure.
    """

    of: str
    what: str
    bound: str
    most: float
    measured: float
    unit: str = "s"
    digits: int = 2
    failed: bool = False

    @property
    def met(self) -> bool:
        """Whether the bound is kept."""
        return not self.failed and self.measured <= self.most

    def row(self) -> tuple[str, ...]:
        """Of the table."""
        most, measured = (f"{x:.{self.digits}f} {self.unit}".strip() for x in (self.most, self.measured))
        verdict = "met" if self.met else "**missed**"
        return self.of, self.what, self.bound, most, "it fails" if self.failed else measured, verdict


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the report: its text, and the targets that it is held to."""

    text: str
    targets: list[Target] = field(default_factory=list)


def summary(parts: list[Part]) -> str:
    """All targets."""
    rows = [target.row() for part in parts for target in part.targets]
    missed = sum(not target.met for part in parts for target in part.targets)
    return f"## Targets\n\n{len(rows) - missed} of {len(rows)} are met.\n\n{table(HEAD, rows)}"
