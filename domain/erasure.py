"""How is a patient erased? By order: an event says so, and every payload before it goes, with the salt that hid it.

The hashes stay, so that the proofs of everything else stay valid and the gap can be seen. Patients that were merged
into the one to erase are the same person, and are erased with it.
"""

from dataclasses import dataclass

from domain import patient as patients
from domain.commands import ErasePatient
from domain.errors import LedgerError, UnknownPatient
from domain.golden_record import absorbed_ids
from domain.ledger import Caller, Ledger


class MergedPatient(LedgerError):
    """This patient was merged into another one: erase that one, or take them apart first."""


@dataclass(frozen=True)
class Erased:
    """What was erased: the streams, and how many of their events."""

    streams: tuple[str, ...]
    events: int


def erase(ledger: Ledger, patient_id: str, order: str, caller: Caller) -> Erased:
    """Erase a patient and those merged into it. UnknownPatient, MergedPatient.

    Needs a connection that may take the role `ledger_eraser`: the owner's, never a worker's.
    """
    with ledger.recorder.unit_of_work([caller.organization_id]) as work:
        found = work.lock_patients(caller.organization_id, [patient_id])
        if not found:
            raise UnknownPatient
        if found[0].merged_into is not None:
            raise MergedPatient(survivor=found[0].merged_into)
        others = sorted(absorbed_ids(found[0].absorbed))
        group = [*found, *(work.lock_patients(caller.organization_id, others) if others else ())]
        drafts = [
            draft
            for each in group
            for draft in ledger.drafts(
                caller, caller.source, each.id, each.version, patients.decide(each, ErasePatient(order=order))
            )
        ]
        work.erase({each.id: each.version for each in group})
        ledger.events.put(drafts, work=work)
    return Erased(tuple(each.id for each in group), sum(each.version for each in group))
