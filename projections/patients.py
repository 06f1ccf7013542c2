"""What is true of each patient now? The read model: the fold of the stream, stored, one row each."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from psycopg import Cursor

from domain.entry import canonical
from domain.names import fold
from domain.patient import Patient
from projections import copy_rows
from projections.arrays import bigints, byteas, texts, uuids
from projections.copy_rows import COUNT
from projections.statements import statements
from projections.trips import Writer

_SQL = statements("patients")


class Row(NamedTuple):
    """A row of the read model. `last_name` and `first_name` are folded for search; of a merged patient they are blank,
    so that it is not found."""

    organization_id: str
    id: str
    version: int
    chain_hash: bytes | None
    last_name: str | None
    first_name: str | None
    fold: bytes
    date_of_birth: str | None


def row(patient: Patient, chain_hash: bytes | None) -> Row:
    """Return the stored row; `chain_hash` is that of the last entry of the stream."""
    facts = patient.facts if patient.merged_into is None else {}
    return Row(
        patient.organization_id,
        patient.id,
        patient.version,
        chain_hash,
        _folded(facts.get("last_name")),
        _folded(facts.get("first_name")),
        canonical(patient),
        patient.facts.get("date_of_birth"),
    )


def _folded(name: str | None) -> str | None:
    return None if name is None else fold(name)


def rows(patient: Patient, chain_hash: bytes | None) -> list[Row]:
    """Return the patient's row; none is left of one that was erased."""
    return [] if patient.erased else [row(patient, chain_hash)]


def encoded(patient: Patient, chain_hash: bytes) -> bytes:
    """Return the patient's row for COPY."""
    if patient.erased:
        return b""
    organization_id, own_id, version, chain, last_name, first_name, state, born = row(patient, chain_hash)
    return b"".join(
        (
            COUNT[len(Row._fields)],
            copy_rows.uuid(organization_id),
            copy_rows.uuid(own_id),
            copy_rows.bigint(version),
            copy_rows.blob(chain),
            copy_rows.text(last_name),
            copy_rows.text(first_name),
            copy_rows.blob(state),
            copy_rows.text(born),
        )
    )


def remove(writer: Writer, patients: Sequence[Patient]) -> None:
    """Remove the rows of patients that were erased."""
    gone = {
        "organization_id": uuids(each.organization_id for each in patients),
        "id": uuids(each.id for each in patients),
    }
    writer.execute(_SQL["remove"], gone)


def write(writer: Writer, rows: Iterable[Row]) -> None:
    """Store these rows, one at least, new or changed."""
    organization_ids, ids, versions, chain_hashes, last_names, first_names, folds, born = zip(*rows, strict=True)
    columns = {
        "organization_id": uuids(organization_ids),
        "id": uuids(ids),
        "version": bigints(versions),
        "chain_hash": byteas(chain_hashes),
        "last_name": texts(last_names),
        "first_name": texts(first_names),
        "fold": texts([fold.decode() for fold in folds]),
        "date_of_birth": texts(born),
    }
    writer.execute(_SQL["write"], columns)


def survivor(cursor: Cursor[Any], organization_id: str, patient_id: str) -> Patient | None:
    """Return the patient as of now, or the one it lives on in since they were merged."""
    found = get(cursor, organization_id, patient_id)
    while found is not None and found.merged_into is not None:
        found = get(cursor, organization_id, found.merged_into)
    return found


def survivor_id(cursor: Cursor[Any], organization_id: str, patient_id: str) -> str:
    """Return the id of the patient, or of the one it lives on in; of an unknown one its own."""
    following: str | None = patient_id
    while following is not None:
        last = following
        found = cursor.execute(_SQL["merged_into"], {"organization": organization_id, "id": last}).fetchone()
        following = None if found is None else found[0]
    return last


def get(cursor: Cursor[Any], organization_id: str, patient_id: str) -> Patient | None:
    """Return the patient as of now, `None` when the organization has no such patient."""
    found = cursor.execute(_SQL["get"], {"organization": organization_id, "id": patient_id}).fetchone()
    return None if found is None else Patient.from_json(found[0])
