"""How is a patient erased? By order: an event says so, and every payload before it goes, with the salt that hid it.

The hashes stay, so that the proofs of everything else stay valid and the gap can be seen. Patients that were merged
into the one to erase are the same person, and are erased with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain import patient as patients
from domain.commands import ErasePatient
from domain.errors import LedgerError, LedgerUnavailable, UnknownPatient, WriteConflict
from domain.golden_record import absorbed_ids
from domain.ledger import ATTEMPTS, Ledger
from domain.patient import Patient
from domain.receipt import Caller
from domain.store import Work


class MergedPatient(LedgerError):
    """This patient was merged into another one: erase that one, or take them apart first."""


@dataclass(frozen=True)
class Erased:
    """What was erased: the patient as it was until then, the streams in the order of their ids, how many events."""

    before: Patient
    streams: tuple[str, ...]
    events: int


def erase(ledger: Ledger, patient_id: str, order: str, caller: Caller) -> Erased:
    """Erase a patient and those merged into it. UnknownPatient, MergedPatient.

    Needs a connection that may take the role `ledger_eraser`: the owner's, never a worker's.
    """
    ids = [patient_id]
    for _ in range(ATTEMPTS):
        try:
            with ledger.recorder.unit_of_work([caller.organization_id]) as work:
                group = work.lock_patients(caller.organization_id, ids)  # all at once, in the order that upserts keep
                patient = next((each for each in group if each.id == patient_id), None)
                if patient is None:
                    raise UnknownPatient
                if patient.merged_into is not None:
                    raise MergedPatient(survivor=patient.merged_into)
                known, ids = ids, [patient_id, *sorted(absorbed_ids(patient.absorbed))]
                if ids == known:
                    return _erase(ledger, patient, group, order, caller, work)
        except WriteConflict:
            continue
    raise LedgerUnavailable(cause="contention")


def _erase(
    ledger: Ledger, patient: Patient, group: Sequence[Patient], order: str, caller: Caller, work: Work
) -> Erased:
    drafts = [
        draft
        for each in group
        for draft in ledger.drafts(
            caller, caller.source, each.id, each.version, patients.decide(each, ErasePatient(order=order))
        )
    ]
    work.erase({each.id: each.version for each in group})
    ledger.events.put(drafts, work=work)
    return Erased(patient, tuple(each.id for each in group), sum(each.version for each in group))
