"""Who looked? Every look, search, reveal and export, kept for good: who, what, when and why, no value of a patient.

Looking changes nothing about a patient, so it is no event of the ledger; the log has a table of its own that the
application can add to and read, and do nothing else with.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from psycopg import Cursor

from domain.store import END
from projections.arrays import uuids
from projections.statements import statements
from projections.trips import Writer

_SQL = statements("access_log")

ACTIONS = ("sign_in", "sign_in_refused", "sign_out", "search", "view", "reveal", "export", "read")
"""`read`: a partner read the patient through the API."""

DISCLOSURES = ("export", "read")
"""Actions that carry values out of the clinic."""

CHUNK = 1000
"""So many disclosures are read at a time."""

REVEAL_LASTS = timedelta(minutes=15)


class Look(NamedTuple):
    """One line of the log."""

    id: int
    at: datetime
    actor: str
    name: str
    action: str
    patient_id: str | None
    detail: dict[str, Any]
    request_id: str
    address: str | None


class Looker(NamedTuple):
    """Who looks: for which organization, in which request, from where."""

    organization_id: str
    actor: str
    name: str
    request_id: str
    address: str | None = None


def record(
    writer: Writer, looker: Looker, action: str, patients: Sequence[str | None] = (None,), **detail: Any
) -> None:
    """Add one line for each patient that was seen; `None` stands for a look at no patient.

    detail: what was looked at, in words of the program (`what`, `format`, `purpose`, …).
    """
    assert action in ACTIONS, action
    told = {name: value for name, value in detail.items() if value not in (None, "", [], {})}
    row = {
        "organization": looker.organization_id,
        "actor": looker.actor,
        "name": looker.name,
        "action": action,
        "patients": uuids(patients),
        "detail": orjson.dumps(told).decode(),
        "request_id": looker.request_id,
        "address": looker.address,
    }
    writer.execute(_SQL["record"], row)


def do_not_wait_for_the_disk(writer: Writer) -> None:
    """Let this transaction commit before the disk has it."""
    writer.execute(_SQL["do_not_wait_for_the_disk"], {})


def of_patient(
    cursor: Cursor[Any], organization_id: str, patient_id: str, *, before: int | None = None, limit: int = 100
) -> list[Look]:
    """Return who looked at a patient, newest first; `before` is the id that the page ends before."""
    keys = {"organization": organization_id, "patient": patient_id, "before": before or END, "limit": limit}
    return [_look(row) for row in cursor.execute(_SQL["of_patient"], keys)]


def disclosures(
    cursor: Cursor[Any], organization_id: str, patient_id: str, *, since: datetime, until: datetime
) -> Iterator[Look]:
    """Yield all that carried values of a patient out of the clinic in `since` ≤ at < `until`, newest first."""
    keys = {"organization": organization_id, "patient": patient_id, "actions": list(DISCLOSURES)}
    span = {"since": since, "until": until, "limit": CHUNK}
    before, more = END, True
    while more:
        found = cursor.execute(_SQL["disclosures"], {**keys, **span, "before": before}).fetchall()
        for row in found:
            look = _look(row)
            before = look.id
            yield look
        more = len(found) == CHUNK


def is_revealed(cursor: Cursor[Any], organization_id: str, patient_id: str, actor: str) -> bool:
    """Return whether `actor` said within REVEAL_LASTS why the values of this patient had to be seen."""
    keys = {"organization": organization_id, "patient": patient_id, "actor": actor, "lasting": REVEAL_LASTS}
    return cursor.execute(_SQL["is_revealed"], keys).fetchone() is not None


def _look(row: Sequence[Any]) -> Look:
    line = Look(*row)
    return line._replace(patient_id=None if line.patient_id is None else str(line.patient_id))
