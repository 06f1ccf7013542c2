"""What does the ledger ask of its event store? The one seam between the domain and PostgreSQL."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from eventsourcing.persistence import ApplicationRecorder

from domain.entry import StoredEntry
from domain.idempotency import Earlier, Kept, RequestKey
from domain.organization import Organization
from domain.patient import Patient

END = 2**62
"""Behind every version and position."""


class Work(Protocol):
    """One transaction for the organizations of a list."""

    pending: str
    """Stands for the instant that the append will hand out, in what is decided before."""

    def decided(self, patient: Patient) -> None:
        """Take note of what a patient is after entries that are appended next, with `pending` for their instant."""

    def state(self, stream_id: str) -> Any:
        """Return the `Patient` or `Organization` as looked up; after the append as stored."""

    def settling(self) -> Callable[[Patient], Patient]:
        """Return what puts the instant of the append where a patient says `pending`."""

    def erase(self, streams: Mapping[str, int]) -> None:
        """Remove payloads and salts of these streams, up to a version each, with what is appended next."""

    def look_up(
        self, keys: Iterable[tuple[str, str, str]], *, known: Mapping[str, int], limit: int
    ) -> tuple[list[Patient], dict[str, Organization]]:
        """Lock (organization, kind, key)s and the patients that share one; return them and changed organizations."""

    def recall(self, requests: Sequence[RequestKey]) -> Earlier:
        """Return what is known of these requests, and hold those that nobody else is carrying out."""

    def keep(self, kept: Sequence[Kept]) -> None:
        """Store what requests led to, with what is appended next."""

    def commit(self) -> object:
        """Commit without an append."""

    def lock_patients(self, organization_id: str, ids: Sequence[str]) -> list[Patient]:
        """Lock and return these patients, in the order of their ids; unknown ones are left out."""

    def lock_organization(self, organization_id: str) -> Organization | None:
        """Lock and return the organization."""


class Store(ApplicationRecorder):
    """The recorder of the ledger: appends within a `Work`, reads rows with all their columns."""

    @abstractmethod
    def unit_of_work(self, organization_ids: Sequence[str]) -> AbstractContextManager[Work]:
        """Open one transaction: look up, decide, append. What was neither appended nor committed is not stored."""

    @abstractmethod
    def reading(self, *organization_ids: str) -> AbstractContextManager[Any]:
        """Lend a cursor in a transaction that sees these organizations and no other."""

    @abstractmethod
    def write(self, organization_id: str, batch: Any) -> None:
        """Run what was gathered in a transaction of its own that sees this organization, all in one trip."""

    @abstractmethod
    def select_stream(
        self,
        cursor: Any,
        organization_id: str,
        stream_id: str,
        *,
        after: int = 0,
        up_to: int = END,
        limit: int = END,
        newest_first: bool = False,
    ) -> list[StoredEntry]:
        """Return rows of one stream with `after` < version ≤ `up_to`."""
