"""What can be asked of the ledger? The application: lock, look up, decide, append; and the reads.

Built on `eventsourcing`'s `Application`: its factory makes our recorder, its mapper our rows, its `save` our append.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import Transcoder

from domain import organization as organizations
from domain import patient as patients
from domain.candidates import CandidateIndex
from domain.commands import Command, CreateOrganization
from domain.entry import CanonicalJSON, Draft, Entry, EntryMapper, instant
from domain.errors import (
    LedgerError,
    LedgerUnavailable,
    UnknownOrganization,
    UnknownPatient,
    WriteConflict,
)
from domain.events import Event
from domain.group_commit import GroupCommit
from domain.idempotency import Kept
from domain.organization import Organization
from domain.patient import Patient
from domain.placing import Prepared, place, prepare
from domain.receipt import Caller, Receipt, Upsert
from domain.store import END, Store, Work
from domain.upsert import rules_of

ATTEMPTS = 5
"""So often a list is tried again when another transaction was first."""

_Asked = Prepared | Kept | LedgerError
_Decided = Receipt | Kept | LedgerError
"""What stands for a record of a list, before it is placed and after: unless it was answered earlier, or is refused."""


class _Superseded(Exception):
    """An organization changed since its copy was taken; the list is read again with the current one."""


class Ledger(Application[UUID]):
    """The patient ledger. All methods are safe to call from many threads.

    new_id: makes stream ids. random_bytes: makes salts. clock: the application's clock, for two-digit years and
    provisional instants only; what is recorded carries the database's. note: is told (step, seconds) of each
    transaction, and (cause, 1) when a list is tried again. give_way: lets other threads run before a list is closed.
    """

    name = "ledger"
    recorder: Store
    mapper: EntryMapper

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        new_id: Callable[[], UUID],
        random_bytes: Callable[[int], bytes],
        clock: Callable[[], datetime],
        note: Callable[[str, float], None] = lambda _name, _amount: None,
        give_way: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__({"CREATE_TABLE": "no", **env})
        self._new_id = new_id
        self._random_bytes = random_bytes
        self._clock = clock
        self._note = note
        self._organizations: dict[str, Organization] = {}
        self._group: GroupCommit[Upsert, Receipt] = GroupCommit(self.upsert_many, clock=clock, give_way=give_way)

    def construct_transcoder(self) -> Transcoder:
        """Return the canonical JSON of the stored form."""
        return CanonicalJSON()

    def construct_mapper(self) -> EntryMapper:
        """Return the mapper between drafts, rows and entries."""
        return EntryMapper(transcoder=self.construct_transcoder())

    # ---- records

    def upsert(self, upsert: Upsert) -> Receipt:
        """Place one record, in the transaction of those that arrive together.

        TooLittleToIdentify (with `dropped`) when the record cannot be placed; LedgerUnavailable when the database is.
        """
        return self._group.submit(upsert)

    def upsert_many(self, upserts: Sequence[Upsert], *, dry_run: bool = False) -> list[Receipt | LedgerError]:
        """Place records in order, in one transaction; a refused one has its error in its place.

        A conflict with another transaction sends each record into a transaction of its own.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._upsert_list(upserts, dry_run)
            except _Superseded:
                self._note("organization_changed", 1)
            except WriteConflict:
                self._note("write_conflict", 1)
                if len(upserts) > 1:
                    return [result for upsert in upserts for result in self._alone(upsert, dry_run)]
        raise LedgerUnavailable(cause="contention")

    def _alone(self, upsert: Upsert, dry_run: bool) -> list[Receipt | LedgerError]:
        try:
            return self.upsert_many([upsert], dry_run=dry_run)
        except LedgerUnavailable as error:
            return [error]

    def _upsert_list(self, upserts: Sequence[Upsert], dry_run: bool) -> list[Receipt | LedgerError]:
        read: dict[str, Organization] = {}
        prepared = [self._prepare(upsert, read) for upsert in upserts]
        placeable = [each for each in prepared if isinstance(each, Prepared)]
        if not placeable:
            return [each for each in prepared if isinstance(each, LedgerError)]
        limit = max(rules_of(each).candidate_limit for each in read.values()) + 1
        with self.recorder.unit_of_work(list(read)) as work:
            earlier = work.recall([each.request for each in placeable if each.request and not dry_run])
            answered = [each if isinstance(each, LedgerError) else earlier.answer(each) for each in prepared]
            keys = [
                (each.organization.id, kind, key)
                for each in answered
                if isinstance(each, Prepared)
                for kind, key in each.keys
            ]
            began = self._clock()
            found, changed = work.look_up(keys, known={o.id: o.version for o in read.values()}, limit=limit)
            self._note("look_up", (self._clock() - began).total_seconds())
            if changed:
                self._organizations.update(changed)
                raise _Superseded
            index = CandidateIndex(found)
            at = instant(self._clock()) if dry_run else work.pending
            decided = [
                place(each, index, self._new_id, at) if isinstance(each, Prepared) else each for each in answered
            ]
            if not dry_run:
                decided = self._append(answered, decided, work)
        return [self._replayed(each) if isinstance(each, Kept) else each for each in decided]

    def _append(self, asked: Sequence[_Asked], decided: list[_Decided], work: Work) -> list[_Decided]:
        """Store what was decided and what its requests leave; return the receipts with where they stand."""
        kept = [each.kept() for each in decided if isinstance(each, Receipt) and each.request is not None]
        work.keep(kept)
        drafts: list[Draft] = []
        for prepared, receipt in zip(asked, decided, strict=True):
            if isinstance(prepared, Prepared) and isinstance(receipt, Receipt) and receipt.events:
                patient, events = receipt.decided, receipt.events
                before = patient.version - len(events)
                drafts += self.drafts(prepared.caller, prepared.source, patient.id, before, events)
                work.decided(patient)
        if drafts:
            began = self._clock()
            recordings = self.events.put(drafts, work=work)
            self._note("append", (self._clock() - began).total_seconds())
            self._note("records", len(decided))
            positions = iter([recording.notification.id for recording in recordings])
            settle = work.settling()
            return [each.stored(settle, positions) if isinstance(each, Receipt) else each for each in decided]
        if kept:
            work.commit()
        return decided

    def _replayed(self, kept: Kept) -> Receipt | LedgerError:
        """Return the receipt of an earlier request, read from the ledger again."""
        organization_id, stream_id = kept.request.organization_id, kept.patient_id
        try:
            patient = self.patient_as_of(organization_id, stream_id, version=kept.version)
            entries = self.stream(organization_id, stream_id, after=kept.version - kept.events, up_to=kept.version)
        except LedgerError as error:
            return error
        return Receipt(
            decided=patient,
            organization=self.organization(organization_id),
            outcome=kept.outcome,
            dropped=kept.dropped,
            request_id=kept.told["request_id"],
            position=entries[-1].position if entries else None,
            events=tuple(entry.event for entry in entries),
            rule_version=kept.told["rule_version"],
            replayed=True,
        )

    def _prepare(self, upsert: Upsert, read: dict[str, Organization]) -> Prepared | UnknownOrganization:
        """Read a record for its organization; all of a list see one copy of it, which is left in `read`."""
        organization_id = upsert.caller.organization_id
        try:
            organization = read[organization_id] = read.get(organization_id) or self.organization(organization_id)
        except UnknownOrganization as error:
            return error
        return prepare(upsert, organization, self._clock().date())

    def drafts(self, caller: Caller, source: str, stream_id: str, version: int, events: Sequence[Event]) -> list[Draft]:
        """Return these events as the next ones of a stream that is at `version`."""
        organization_id, originator_id = UUID(caller.organization_id), UUID(stream_id)
        salts = self._random_bytes(16 * len(events))
        return [
            Draft(
                organization_id=organization_id,
                originator_id=originator_id,
                originator_version=version + place,
                event=event,
                request_id=caller.request_id,
                actor=caller.actor,
                source=source,
                salt=salts[16 * (place - 1) : 16 * place],
            )
            for place, event in enumerate(events, start=1)
        ]

    # ---- one patient

    def change(self, patient_id: str, command: Command, caller: Caller) -> Patient:
        """Apply a command to a patient, or to the one it lives on in. UnknownPatient when there is none."""
        following = _canonical(patient_id, UnknownPatient)
        while True:
            with self.recorder.unit_of_work([caller.organization_id]) as work:
                found = work.lock_patients(caller.organization_id, [following])
                if not found:
                    raise UnknownPatient
                if found[0].merged_into is None:
                    events = patients.decide(found[0], command)
                    if events:
                        drafts = self.drafts(caller, caller.source, following, found[0].version, events)
                        self.events.put(drafts, work=work)
                    state: Patient = work.state(following)
                    return state
            following = found[0].merged_into

    def patient_as_of(
        self, organization_id: str, patient_id: str, *, version: int | None = None, at: datetime | None = None
    ) -> Patient:
        """Return the patient after this version, or as it stood at this instant. UnknownPatient if it was not there."""
        stream_id = _canonical(patient_id, UnknownPatient)
        if stream_id == _canonical(organization_id, UnknownOrganization):
            raise UnknownPatient
        entries = self.stream(organization_id, stream_id, up_to=END if version is None else version)
        upto = [entry for entry in entries if at is None or entry.recorded_at <= at]
        state = patients.fold((entry.event, entry.envelope()) for entry in upto)
        if state is None:
            raise UnknownPatient
        return state

    def stream(self, organization_id: str, stream_id: str, *, after: int = 0, up_to: int = END) -> list[Entry]:
        """Return the entries of one stream with `after` < version ≤ `up_to`, oldest first."""
        with self.recorder.reading(organization_id) as cursor:
            rows = self.recorder.select_stream(cursor, organization_id, stream_id, after=after, up_to=up_to)
        return [self.mapper.to_domain_event(row) for row in rows]

    # ---- organizations

    def organization(self, organization_id: str) -> Organization:
        """Return the organization, as last seen by this process. UnknownOrganization when there is none.

        A copy that has grown old is noticed by the next upsert, within its transaction.
        """
        seen = self._organizations.get(organization_id)
        return seen or self.current_organization(organization_id)

    def current_organization(self, organization_id: str) -> Organization:
        """Return the organization as it is now. UnknownOrganization when there is none."""
        organization_id = _canonical(organization_id, UnknownOrganization)
        seen = self._organizations.get(organization_id)
        with self.recorder.unit_of_work([organization_id]) as work:
            _, changed = work.look_up([], known={organization_id: seen.version if seen else 0}, limit=0)
        self._organizations.update(changed)
        if organization_id not in self._organizations:
            raise UnknownOrganization
        return self._organizations[organization_id]

    def administer(self, command: Command, caller: Caller) -> Organization:
        """Apply a command to the caller's organization; return it as it is then."""
        caller = replace(caller, organization_id=_canonical(caller.organization_id, UnknownOrganization))
        with self.recorder.unit_of_work([caller.organization_id]) as work:
            current = work.lock_organization(caller.organization_id)
            if current is None and not isinstance(command, CreateOrganization):
                raise UnknownOrganization
            events = organizations.decide(current, command)
            if not events:
                assert current is not None
                return current
            version = 0 if current is None else current.version
            self.events.put(self.drafts(caller, caller.source, caller.organization_id, version, events), work=work)
            changed: Organization = work.state(caller.organization_id)
            self._organizations[changed.id] = changed
            return changed


def _canonical(stream_id: str, refusal: type[LedgerError]) -> str:
    """Return the id as streams carry it; what is no UUID names nothing."""
    try:
        return str(UUID(stream_id))
    except ValueError:
        raise refusal from None
