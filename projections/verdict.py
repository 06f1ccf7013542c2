"""What did a verification find? Positions, streams and what happened there; no value of a patient."""

from dataclasses import asdict, dataclass, field
from typing import Any

MOST_FINDINGS = 20
"""After so many findings the rest is only counted on."""


@dataclass(frozen=True)
class Finding:
    """What happened, where, and how it shows. No value of a patient stands in it."""

    what: str
    position: int
    detail: str
    stream: str | None = None


@dataclass
class Verdict:
    """What was checked, and everything that was found.

    `position`: the head. `checkpoints`: how many agree; `stream_heads`: in how many of them the heads of all streams
    were worked out again, and agree.
    """

    position: int = 0
    events: int = 0
    erased: int = 0
    checkpoints: int = 0
    stream_heads: int = 0
    last_checkpoint: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether nothing was found."""
        return not self.findings

    @property
    def is_full(self) -> bool:
        """Return whether it tells no more than it does already."""
        return len(self.findings) >= MOST_FINDINGS

    def find(self, what: str, position: int, detail: str, stream: str | None = None) -> None:
        """Note a finding."""
        if not self.is_full:
            self.findings.append(Finding(what, position, detail, stream))

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as the command line prints it."""
        return {"passed": self.passed, **asdict(self)}
