"""Where does each record land? By the service's own path; and by a naive cascade, as a yardstick."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from rapidfuzz.distance import JaroWinkler

from api.bootstrap import new_id
from domain.commands import ChangeSetting, CreateOrganization
from domain.events import PossibleDuplicateFlagged
from domain.ledger import Ledger
from domain.matching import Match
from domain.normalise import normalise, satisfies_invariant
from domain.organization import Organization
from domain.receipt import Caller, Receipt, Upsert
from domain.record import read_record
from scripts.scorecard.sets import Labelled

LIST = 32
"""So many records share a transaction."""


@dataclass
class Placing:
    """Patient of each record, in the order sent: `None` for a refused one. tiers: by which it matched; `None`: new.

    flags: pairs of patients that a person was asked to look at.
    """

    patients: list[str | None] = field(default_factory=list)
    tiers: list[str | None] = field(default_factory=list)
    flags: set[frozenset[str]] = field(default_factory=set)


def place(ledger: Ledger, records: Sequence[Labelled], region: str) -> Placing:
    """Send the records to a new organization, in lists."""
    caller = Caller(str(new_id()), "scorecard", "scorecard", source="file")
    ledger.administer(CreateOrganization(name="scorecard"), caller)
    ledger.administer(ChangeSetting(setting="region", new=region), caller)
    placing = Placing()
    for start in range(0, len(records), LIST):
        read = [read_record(dict(each.body)) for each in records[start : start + LIST]]
        for result in ledger.upsert_many([Upsert(record, caller, drops) for record, drops in read]):
            if not isinstance(result, Receipt):
                placing.patients.append(None)
                placing.tiers.append(None)
                continue
            placing.patients.append(result.patient.id)
            placing.tiers.append(result.outcome.tier if isinstance(result.outcome, Match) else None)
            placing.flags |= {
                frozenset((result.patient.id, event.other_id))
                for event in result.events
                if isinstance(event, PossibleDuplicateFlagged)
            }
    return placing


ALIKE = 0.88


def place_naively(records: Sequence[Labelled], region: str, today: date) -> Placing:
    """Place the records as a careless program does: exact name and birthday, then whole-name Jaro-Winkler on phone,
    then on email; the first that fits. What is sent is read as the service reads it."""
    organization = Organization(id=str(new_id()), name="naive", created_at="", region=region)
    patients: list[dict[str, Any]] = []
    known: dict[tuple[str, Any], list[int]] = {}
    placing = Placing()
    for each in records:
        record, received = read_record(dict(each.body))
        clean, _ = normalise(record, organization=organization, today=today, received=received)
        if not satisfies_invariant(clean):
            placing.patients.append(None)
            placing.tiers.append(None)
            continue
        facts = dict(clean.facts)
        tier, found = _find(facts, patients, known)
        if found is None:
            found = len(patients)
            patients.append({})
        patients[found].update(facts)
        for key in _keys(facts):
            if found not in known.setdefault(key, []):
                known[key].append(found)
        placing.patients.append(str(found))
        placing.tiers.append(tier)
    return placing


def _find(
    facts: dict[str, str], patients: list[dict[str, Any]], known: dict[tuple[str, Any], list[int]]
) -> tuple[str | None, int | None]:
    for kind, key in _keys(facts):
        for place in known.get((kind, key), ()):
            held = patients[place]
            if kind == "demographics" and _demographics(held) == key:
                return kind, place
            if kind != "demographics" and held.get(kind) == key and _alike(facts, held):
                return kind, place
    return None, None


def _keys(facts: dict[str, str]) -> list[tuple[str, Any]]:
    demographics = _demographics(facts)
    keys: list[tuple[str, Any]] = [("demographics", demographics)] if all(demographics) else []
    return keys + [(name, facts[name]) for name in ("phone_number", "email") if name in facts]


def _demographics(facts: dict[str, str]) -> tuple[str, ...]:
    return tuple(facts.get(name, "").casefold() for name in ("first_name", "last_name", "date_of_birth"))


def _alike(one: dict[str, str], other: dict[str, str]) -> bool:
    names = [f"{facts.get('first_name', '')} {facts.get('last_name', '')}".casefold() for facts in (one, other)]
    return JaroWinkler.similarity(*names) >= ALIKE


def tiers_of(placing: Placing) -> dict[str, int]:
    """Return how many records matched by each tier."""
    return dict(Counter(tier for tier in placing.tiers if tier is not None))
