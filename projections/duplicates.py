"""Which pairs of patients should a person look at? The queue of possible duplicates, and what was said of each.

The rows of a patient are a pure function of its fold; what is said of a pair is told on both streams.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg import Cursor

from domain.child_ids import overlay_id, pair_id
from domain.entry import canonical
from domain.golden_record import absorbed_ids
from domain.patient import Patient
from projections import copy_rows
from projections.arrays import texts, uuids
from projections.copy_rows import COUNT
from projections.statements import statements
from projections.trips import Writer

_SQL = statements("duplicates")

STATES = ("open", "merged", "distinct")
BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))
"""Before every pair."""


class Row(NamedTuple):
    """One flag, as a patient's stream tells it. `other_id` is `None` where the patient may be two people itself."""

    organization_id: str
    id: str
    patient_id: str
    other_id: str | None
    state: str
    reason: str
    evidence: str
    flagged_at: str


_IDS = ("organization_id", "id", "patient_id", "other_id")


class Pair(NamedTuple):
    """A pair as it is read; `patients` in the order of their ids, one where the patient may be two people itself."""

    id: str
    state: str
    reason: str
    evidence: dict[str, str]
    flagged_at: datetime
    patient_ids: tuple[str, ...]


def rows(patient: Patient) -> list[Row]:
    """Return the patient's rows. The open questions of a merged patient are its survivor's, who holds them beneath."""
    absorbed = absorbed_ids(patient.absorbed)
    found = []
    for other_id, flag in patient.possible_duplicates.items():
        if patient.merged_into is not None and other_id != patient.merged_into:
            continue
        merged = other_id in absorbed or other_id == patient.merged_into
        state = "merged" if merged else "distinct" if other_id in patient.distinct_from else "open"
        found.append(_row(patient, pair_id(patient.id, other_id), other_id, state, flag))
    overlay = patient.suspected_overlay
    if overlay is not None and overlay["other_id"] is None and patient.merged_into is None:
        state = "distinct" if overlay["dismissed"] else "open"
        found.append(_row(patient, overlay_id(patient.id), None, state, overlay))
    return found


def _row(patient: Patient, row_id: str, other_id: str | None, state: str, flag: Any) -> Row:
    evidence = canonical(flag["evidence"]).decode()
    return Row(
        patient.organization_id, row_id, patient.id, other_id, state, flag["reason"], evidence, flag["flagged_at"]
    )


def encoded(patient: Patient, _chain_hash: bytes) -> bytes:
    """Return the patient's rows for COPY."""
    return b"".join(
        field
        for each in rows(patient)
        for field in (
            COUNT[len(Row._fields)],
            *map(copy_rows.uuid, each[:4]),
            *map(copy_rows.text, each[4:7]),
            copy_rows.instant(each.flagged_at),
        )
    )


def write(writer: Writer, changed: Iterable[tuple[Patient | None, Patient]]) -> None:
    """Bring the queue from each state before to the state after."""
    gone: list[Row] = []
    new: list[Row] = []
    for before, after in changed:
        old_rows = {} if before is None else {row.id: row for row in rows(before)}
        new_rows = {row.id: row for row in rows(after)}
        gone += [row for row in old_rows.values() if row.id not in new_rows]
        new += [row for row in new_rows.values() if old_rows.get(row.id) != row]
    for statement, changes in (("remove", gone), ("put", new)):
        if changes:
            columns = dict(zip(Row._fields, zip(*changes, strict=True), strict=True))
            encoded = {name: (uuids if name in _IDS else texts)(column) for name, column in columns.items()}
            writer.execute(_SQL[statement], encoded)


def queue(
    cursor: Cursor[Any],
    organization_id: str,
    state: str,
    *,
    patient_id: str | None = None,
    after: tuple[datetime, UUID] = BEGINNING,
    limit: int,
) -> list[Pair]:
    """Return pairs in one state, the oldest flag first; all of the organization, or those of one patient."""
    keys = {"organization": organization_id, "state": state, "patient": patient_id, "limit": limit}
    statement = "in_order" if patient_id is None else "of_patient"
    found = cursor.execute(_SQL[statement], {**keys, "after_at": after[0], "after_id": after[1]})
    return [_pair(row) for row in found.fetchall()]


def get(cursor: Cursor[Any], organization_id: str, row_id: str) -> Pair | None:
    """Return one pair."""
    row = cursor.execute(_SQL["get"], {"organization": organization_id, "id": row_id}).fetchone()
    return None if row is None else _pair(row)


def pair_of(states: Iterable[Patient], row_id: str) -> Pair | None:
    """Return one pair as these states tell it; of two flags the one that was told first."""
    flags = [row for state in states for row in rows(state) if row.id == row_id]
    if not flags:
        return None
    first = min(flags, key=lambda row: (row.flagged_at, row.patient_id))
    return _pair((*first[1:6], orjson.loads(first.evidence), datetime.fromisoformat(first.flagged_at)))


def _pair(row: tuple[Any, ...]) -> Pair:
    found_id, patient_id, other_id, state, reason, evidence, flagged_at = row
    ids = tuple(sorted(str(each) for each in (patient_id, other_id) if each is not None))
    return Pair(str(found_id), state, reason, evidence, flagged_at, ids)


def patients_of(cursor: Cursor[Any], organization_id: str, pairs: Iterable[Pair]) -> dict[str, Patient]:
    """Return the patients of these pairs as they are now, by id; a merged one as it was when it was merged."""
    ids = sorted({patient_id for pair in pairs for patient_id in pair.patient_ids})
    found = cursor.execute(_SQL["patients"], {"organization": organization_id, "ids": ids})
    return {row[0]["id"]: Patient.from_json(row[0]) for row in found.fetchall()}
