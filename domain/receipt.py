"""What is handed to the ledger, and what does it hand back? A record with its caller; a receipt for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from domain.dropped import Dropped
from domain.events import Event
from domain.idempotency import Kept, RequestKey, tell
from domain.matching import RULE_VERSION, Match, NoMatch
from domain.once import once
from domain.organization import Organization
from domain.patient import Patient
from domain.record import UpsertRecord
from domain.stored_state import with_changes


@dataclass(frozen=True)
class Caller:
    """Who asks, for which organization. `actor` names a key, user or job; `source` is the default of the records."""

    organization_id: str
    actor: str
    request_id: str
    source: str = "api"


@dataclass(frozen=True)
class Upsert:
    """A record with its caller. `received` are the drops of reading the body."""

    record: UpsertRecord
    caller: Caller
    received: tuple[Dropped, ...] = ()
    request: RequestKey | None = None


@dataclass(frozen=True)
class Receipt:
    """Where a record landed. `position` is that of its last event, `None` when nothing was appended.

    decided: the patient as this record left it, not a later one; `settle` makes of it the one that was stored.
    tells_more: whether the patient, as answered, holds what the record did not say.
    """

    decided: Patient
    organization: Organization
    outcome: Match | NoMatch
    dropped: tuple[Dropped, ...]
    request_id: str
    position: int | None = None
    events: tuple[Event, ...] = ()
    rule_version: str = RULE_VERSION
    request: RequestKey | None = None
    replayed: bool = False
    tells_more: bool = True
    settle: Callable[[Patient], Patient] = lambda patient: patient

    @once
    def patient(self) -> Patient:
        """Return the patient as this record left it."""
        return self.settle(self.decided)

    @property
    def created(self) -> bool:
        """Return whether the record made a new patient."""
        return isinstance(self.outcome, NoMatch)

    def kept(self) -> Kept:
        """Return what a request with a key leaves behind."""
        assert self.request is not None
        told = tell(self.outcome, self.dropped, self.request_id)
        return Kept(self.request, self.decided.id, self.decided.version, len(self.events), told)

    def stored(self, settle: Callable[[Patient], Patient], positions: Iterator[int]) -> "Receipt":
        """Return the receipt with what the append handed out. Of `positions` it takes as many as it has events."""
        position = None
        for _ in self.events:
            position = next(positions)
        return with_changes(self, {"position": position, "settle": settle})
