"""Whom do these words mean? One box takes a name, a phone, an email, an external id or a patient id."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from psycopg import Cursor

from domain.dropped import Unusable
from domain.emails import read_email
from domain.evidence import Identity
from domain.known_as import keys_to_look_for
from domain.match_keys import match_keys
from domain.names import fold
from domain.organization import Organization
from domain.patient import Patient
from domain.phones import read_phone
from projections import patients
from projections.statements import statements

_SQL = statements("find_patients")

_EXACT = frozenset({"external_id", "phone", "email"})
_BEHIND_ALL = "\U0010ffff"


def find(cursor: Cursor[Any], organization: Organization, words: str, limit: int) -> tuple[str, list[Patient]]:
    """Return (what was looked for, the patients found, at most `limit`).

    An id, phone, email or external id must be whole; of names the beginning is enough: "lopez", "ann lop".
    """
    words = words.strip()
    if (patient_id := _uuid(words)) is not None:
        found = patients.get(cursor, organization.id, patient_id)
        return "patient id", [] if found is None else [found]
    exact = by_keys(cursor, organization.id, _identities(words, organization), limit)
    if exact or "@" in words:
        return "email" if "@" in words else "phone or external id", exact
    named = by_name(cursor, organization.id, readings(words), limit)
    return "name", [*named, *by_first_name(cursor, organization.id, fold(words), limit - len(named))]


def by_keys(cursor: Cursor[Any], organization_id: str, identities: Iterable[Identity], limit: int) -> list[Patient]:
    """Return patients that share an external id, a phone or an email with one of these."""
    wanted = sorted({key for identity in identities for key in match_keys(identity) if key.kind in _EXACT})
    if not wanted:
        return []
    columns = {"kinds": [key.kind for key in wanted], "keys": [key.key for key in wanted]}
    found = cursor.execute(_SQL["by_keys"], {"organization": organization_id, "limit": limit, **columns})
    patients_found = (Patient.from_json(row[0]) for row in found)
    return [each for each in patients_found if not keys_to_look_for(each).isdisjoint(wanted)]


def by_name(cursor: Cursor[Any], organization_id: str, names: Iterable[tuple[str, str]], limit: int) -> list[Patient]:
    """Return patients by (beginning of the last name, beginning of the first name or ""), folded; each once."""
    columns = [(last, last + _BEHIND_ALL, first, first + _BEHIND_ALL) for last, first in names if last]
    if not columns:
        return []
    lasts, lasts_end, firsts, firsts_end = (list(column) for column in zip(*columns, strict=True))
    keys = {"lasts": lasts, "lasts_end": lasts_end, "firsts": firsts, "firsts_end": firsts_end}
    found = cursor.execute(_SQL["by_name"], {"organization": organization_id, "limit": limit, **keys})
    unique = {row[0]["id"]: row[0] for row in found}
    return [Patient.from_json(each) for each in list(unique.values())[:limit]]


def by_first_name(cursor: Cursor[Any], organization_id: str, first: str, limit: int) -> list[Patient]:
    """Return patients of whom no last name is known, by the beginning of the first name, folded."""
    if not first or limit < 1:
        return []
    keys = {"first": first, "first_end": first + _BEHIND_ALL, "organization": organization_id, "limit": limit}
    return [Patient.from_json(row[0]) for row in cursor.execute(_SQL["by_first_name"], keys)]


def readings(words: str) -> list[tuple[str, str]]:
    """Return how words can be read as (last name, first name), folded; the likeliest first."""
    before, comma, behind = words.partition(",")
    if comma:
        return [(fold(before), fold(behind))]
    parts = fold(words).split()
    splits = [(" ".join(parts[at:]), " ".join(parts[:at])) for at in range(1, min(len(parts), 4))]
    swapped = [(parts[0], " ".join(parts[1:]))] if len(parts) > 1 else []
    return [*splits, *swapped, (" ".join(parts), "")]


def _identities(words: str, organization: Organization) -> list[Identity]:
    identities = [Identity(external_ids=((type_id, words),)) for type_id in organization.external_id_types]
    with suppress(Unusable):  # no phone or email then; it may still be an external id or a name
        identities.append(Identity(email=read_email(words)) if "@" in words else _of_phone(words, organization))
    return identities


def _of_phone(words: str, organization: Organization) -> Identity:
    return Identity(phone=read_phone(words, organization.region).number)


def _uuid(words: str) -> str | None:
    try:
        return str(UUID(words)) if len(words) >= 32 else None
    except ValueError:
        return None
