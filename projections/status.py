"""How is the ledger: how far is each projection, who follows, what was parked, what was last checked?

Inline projections are where the ledger is, by construction; their fingerprint says when that was last proven. Works for
the application's role too, which sees how many streams are parked but not whose.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Cursor

from domain.entry import instant
from projections.inline import PROJECTIONS
from projections.sign import Signer
from projections.statements import statements

_SQL = statements("status")

FOLLOWERS = (Signer.name,)
"""Who should be following."""

STALE_SECONDS = 5.0
"""A follower says every second that it is alive; after so long without a word it is stuck or gone."""


@dataclass(frozen=True)
class Check:
    """What was last checked of the ledger or a projection: up to which position, with what result, how long ago."""

    position: int
    passed: bool
    result: str
    finished_at: datetime
    age_seconds: float


@dataclass(frozen=True)
class Projected:
    """One projection. `lag_seconds`: for how long the next entry has been waiting for it.

    state: `inline`; of a follower `following`, `stuck` (it says nothing), `in trouble` (it says what is wrong) or
    `never started`.
    """

    name: str
    state: str
    position: int
    lag_events: int = 0
    lag_seconds: float = 0.0
    parked: int = 0
    parked_because: tuple[str, ...] = ()
    fingerprint: Check | None = None
    heartbeat_seconds: float | None = None
    instance: str | None = None
    problem: str | None = None

    @property
    def finding(self) -> str | None:
        """Return what somebody should look after, if anything."""
        match self.state:
            case "stuck":
                return f"{self.name}: stuck or not running, nothing heard for {self.heartbeat_seconds or 0:.0f} s"
            case "in trouble":
                return f"{self.name}: {self.problem}"
            case "never started" if self.lag_events:
                return f"{self.name}: never started"
        if self.parked:
            return f"{self.name}: {self.parked} streams parked ({', '.join(self.parked_because)})"
        if self.fingerprint is not None and not self.fingerprint.passed:
            return f"{self.name}: rows differed at position {self.fingerprint.position}"
        return None


@dataclass(frozen=True)
class Status:
    """The ledger as a whole."""

    position: int
    recorded_at: datetime
    projections: tuple[Projected, ...]
    last_verify: Check | None

    @property
    def findings(self) -> list[str]:
        """Return what somebody should look after."""
        found = [each.finding for each in self.projections if each.finding is not None]
        if self.last_verify is not None and not self.last_verify.passed:
            found.append(f"verify: {self.last_verify.result}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the status as it is printed and answered; instants as ISO 8601 text."""
        told: dict[str, Any] = _plain({**asdict(self), "findings": self.findings})
        return told


class _Parked(NamedTuple):
    parked: int
    parked_because: tuple[str, ...]


_NONE = _Parked(0, ())


def read_status(cursor: Cursor[Any], expected: Iterable[str] = FOLLOWERS) -> Status:
    """Return the status as the transaction sees it. Rows must come as tuples."""
    head = cursor.execute(_SQL["head"]).fetchone()
    assert head is not None
    parked: dict[str, _Parked] = {}
    for projection, reason, streams in cursor.execute(_SQL["parked_reasons"]).fetchall():
        held = parked.get(projection, _NONE)
        parked[projection] = _Parked(held.parked + streams, (*held.parked_because, reason))
    checks = {(row[0], row[1]): _check(row) for row in cursor.execute(_SQL["checks"]).fetchall()}
    inline = [
        Projected(
            name,
            "inline",
            head[0],
            **parked.get(name, _NONE)._asdict(),
            fingerprint=checks.get(("fingerprint", name)),
        )
        for name in PROJECTIONS
    ]
    there = {row[0]: row for row in cursor.execute(_SQL["followers"]).fetchall()}
    followers = [
        _follower(name, there.get(name), head[0], parked.get(name, _NONE)) for name in sorted({*there, *expected})
    ]
    verified = [check for (kind, _), check in checks.items() if kind == "verify"]
    return Status(head[0], head[1], (*inline, *followers), max(verified, key=_weight, default=None))


def _weight(check: Check) -> tuple[bool, datetime]:
    """Return what orders verifications: a failure stands until a run that covers it passes; then the last counts."""
    return not check.passed, check.finished_at


def _follower(name: str, row: Any, head: int, parked: _Parked) -> Projected:
    if row is None:
        return Projected(name, "never started", 0, lag_events=head, **parked._asdict())
    _, position, lag_events, lag_seconds, instance, beat_seconds, problem = row
    state = "following"
    if beat_seconds is None or beat_seconds > STALE_SECONDS:
        state = "stuck"
    elif problem is not None:
        state = "in trouble"
    return Projected(
        name,
        state,
        position,
        lag_events,
        round(max(lag_seconds, 0.0), 3),
        **parked._asdict(),
        heartbeat_seconds=None if beat_seconds is None else round(beat_seconds, 3),
        instance=instance,
        problem=problem,
    )


def _check(row: tuple[Any, ...]) -> Check:
    _, _, position, passed, result, finished_at, age = row
    return Check(position, passed, result, finished_at, round(float(age), 3))


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return instant(value)
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return value
