"""Which patients could a record mean? The match index: (organization, kind, key) → patient.

The keys of a patient are a pure function of its fold (`domain.known_as.keys_of_patient`).
"""

from collections.abc import Iterable

from domain.known_as import keys_of_patient
from domain.matching import MatchKey
from domain.patient import Patient
from projections.arrays import Column, texts, uuids
from projections.statements import statements
from projections.trips import Writer

_SQL = statements("match_index")

Row = tuple[str, str, str, str]
"""(organization_id, kind, key, patient_id)."""


def keys(patient: Patient | None) -> frozenset[MatchKey]:
    """Return the keys under which the patient can be found."""
    return frozenset() if patient is None or patient.erased else keys_of_patient(patient)


def rows(patient: Patient) -> list[Row]:
    """Return the patient's rows in the index, in no particular order."""
    return [(patient.organization_id, kind, key, patient.id) for kind, key in keys(patient)]


def write(writer: Writer, changed: Iterable[tuple[Patient | None, Patient]]) -> None:
    """Bring the index from each state before to the state after."""
    gone: list[Row] = []
    new: list[Row] = []
    for before, after in changed:
        old_keys, new_keys = keys(before), keys(after)
        gone += [(after.organization_id, kind, key, after.id) for kind, key in old_keys - new_keys]
        new += [(after.organization_id, kind, key, after.id) for kind, key in new_keys - old_keys]
    for statement, changes in (("remove", gone), ("add", new)):
        if changes:
            writer.execute(_SQL[statement], _columns(changes))


def _columns(changes: list[Row]) -> dict[str, Column]:
    organizations, kinds, keys, ids = zip(*changes, strict=True)
    return {"organization_id": uuids(organizations), "kind": texts(kinds), "key": texts(keys), "patient_id": uuids(ids)}
