"""Which patients could a record mean? The match index: (organization, kind, key) → patient.

The keys of a patient are a pure function of its fold (`domain.known_as.keys_of_patient`).
"""

from collections.abc import Iterable
from functools import cache

from domain.known_as import identities_of_patient, keys_of_patient
from domain.matching import MatchKey
from domain.patient import Patient
from projections import copy_rows
from projections.arrays import Column, texts, uuids
from projections.copy_rows import COUNT, length
from projections.statements import statements
from projections.trips import Writer

_SQL = statements("match_index")

_kind = cache(copy_rows.text)

Row = tuple[str, str, str, str]
"""(organization_id, kind, key, patient_id)."""


def keys(patient: Patient | None) -> frozenset[MatchKey]:
    """Return the keys under which the patient can be found."""
    return frozenset() if patient is None or patient.erased else keys_of_patient(patient)


def encoded(patient: Patient, _chain_hash: bytes) -> bytes:
    """Return the patient's rows for COPY, in no particular order."""
    before, behind = COUNT[4] + copy_rows.uuid(patient.organization_id), copy_rows.uuid(patient.id)
    rows: list[bytes] = []
    for kind, key in keys(patient):
        value = key.encode()
        rows += (before, _kind(kind), length(len(value)), value, behind)
    return b"".join(rows)


def write(writer: Writer, changed: Iterable[tuple[Patient | None, Patient]]) -> None:
    """Bring the index from each state before to the state after."""
    gone: list[Row] = []
    new: list[Row] = []
    for before, after in changed:
        if before is not None and not after.erased and identities_of_patient(before) is identities_of_patient(after):
            continue
        old_keys, new_keys = keys(before), keys(after)
        gone += [(after.organization_id, kind, key, after.id) for kind, key in old_keys - new_keys]
        new += [(after.organization_id, kind, key, after.id) for kind, key in new_keys - old_keys]
    for statement, changes in (("remove", gone), ("add", new)):
        if changes:
            writer.execute(_SQL[statement], _columns(changes))


def _columns(changes: list[Row]) -> dict[str, Column]:
    organizations, kinds, keys, ids = zip(*changes, strict=True)
    return {"organization_id": uuids(organizations), "kind": texts(kinds), "key": texts(keys), "patient_id": uuids(ids)}
