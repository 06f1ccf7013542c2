"""Which patients fit, a page at a time? What partners may look for, by indexes and keyset cursors alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Cursor

from domain.entry import StoredEntry
from domain.errors import UnreachedPosition
from domain.known_as import identity_of_facts, keys_to_look_for
from domain.matching import MatchKey, match_keys
from domain.names import fold
from domain.patient import Patient
from projections.event_store import stored_entry
from projections.statements import statements

_SQL = statements("search")

SCANNED = 2000
"""So many rows a page looks at; with little to find in them it comes short, with a cursor to go on from."""

FIRST = str(UUID(int=0))

_EXACT = ("external_id", "phone", "email")


@dataclass(frozen=True)
class Wanted:
    """What must hold of a patient, all of it. keys: external id, phone, email. Names are folded."""

    keys: tuple[MatchKey, ...] = ()
    date_of_birth: str | None = None
    last_name: str | None = None
    first_name: str | None = None

    def admits(self, patient: Patient) -> bool:
        """Return whether the patient fits; one that was merged into another fits nothing."""
        facts = patient.facts
        return (
            patient.merged_into is None
            and (not self.keys or keys_to_look_for(patient).issuperset(self.keys))
            and self.date_of_birth in (None, facts.get("date_of_birth"))
            and all(
                name is None or (field in facts and name == fold(facts[field]))
                for field, name in (("last_name", self.last_name), ("first_name", self.first_name))
            )
        )


def wanted(facts: Mapping[str, str], external_id: tuple[str, str] | None) -> Wanted:
    """Return what a record's clean facts ask for."""
    asked = identity_of_facts(
        {name: facts[name] for name in ("phone_number", "email") if name in facts},
        () if external_id is None else (external_id,),
    )
    return Wanted(
        keys=tuple(sorted((key for key in match_keys(asked) if key.kind in _EXACT), key=_selectivity)),
        date_of_birth=facts.get("date_of_birth"),
        last_name=_folded(facts.get("last_name")),
        first_name=_folded(facts.get("first_name")),
    )


def _selectivity(key: MatchKey) -> int:
    return _EXACT.index(key.kind)


def _folded(name: str | None) -> str | None:
    return None if name is None else fold(name)


@dataclass(frozen=True)
class Page:
    """Patients, and where the next page starts: `None` on the last one."""

    items: list[Patient]
    next: str | None


def find(cursor: Cursor[Any], organization_id: str, asked: Wanted, after: str | None, limit: int) -> Page:
    """Return the patients that fit, in the order of their ids, which is that of their creation."""
    statement, columns = _by(asked)
    last, items, scanned = after or FIRST, list[Patient](), 0
    while True:
        keys = {**columns, "organization": organization_id, "after": last, "limit": limit + 1}
        rows = cursor.execute(_SQL[statement], keys).fetchall()
        for patient_id, stored in rows:
            if len(items) == limit:
                return Page(items, last)
            last, patient = str(patient_id), Patient.from_json(stored)
            if asked.admits(patient):
                items.append(patient)
        scanned += len(rows)
        if len(rows) <= limit:
            return Page(items, None)
        if scanned >= SCANNED:
            return Page(items, last)


def _by(asked: Wanted) -> tuple[str, dict[str, str]]:
    """Return the statement of the index that tells most, and its columns."""
    match asked:
        case Wanted(keys=[MatchKey(kind, key), *_]):
            return "by_key", {"kind": kind, "key": key}
        case Wanted(date_of_birth=str(born)):
            return "by_date_of_birth", {"date_of_birth": born}
        case Wanted(last_name=str(last), first_name=str(first)):
            return "by_full_name", {"last_name": last, "first_name": first}
        case Wanted(last_name=str(last)):
            return "by_last_name", {"last_name": last}
    return "all", {}


def updated_since(
    cursor: Cursor[Any], organization_id: str, position: int, limit: int
) -> tuple[list[Patient], int, bool]:
    """Return (patients with an event behind this position, each at its last; how far that reaches; is there more).

    Who goes on from where a page reached misses nothing: positions are gapless and in the order of the commits. A
    patient that changes meanwhile comes again. UnreachedPosition for a position that the ledger does not reach.
    """
    items, scan = list[Patient](), max(200, 4 * limit)
    scanned = 0
    while True:
        keys = {"organization": organization_id, "after": position, "scan": scan}
        rows = cursor.execute(_SQL["updated_since"], keys).fetchall()
        if not rows:
            _check_reached(cursor, position)
        for at, stored in rows:
            if stored is not None:
                if len(items) == limit:
                    return items, position, True
                items.append(Patient.from_json(stored))
            position = at
        scanned += len(rows)
        if len(rows) < scan or scanned >= SCANNED * 5:
            return items, position, len(rows) == scan


def events_since(cursor: Cursor[Any], organization_id: str, position: int, limit: int) -> list[StoredEntry]:
    """Return the entries of patients behind this position, oldest first.

    UnreachedPosition for a position that the ledger does not reach.
    """
    keys = {"organization": organization_id, "after": position, "limit": limit}
    entries = [stored_entry(row) for row in cursor.execute(_SQL["events"], keys)]
    if not entries:
        _check_reached(cursor, position)
    return entries


def _check_reached(cursor: Cursor[Any], position: int) -> None:
    """Refuse a position that nobody can have been told: a partner would wait there, and miss what comes up to it."""
    ((head,),) = cursor.execute(_SQL["head"]).fetchall()
    if position > head:
        raise UnreachedPosition
