"""Who could a record of this list be? The patients found for the list, by key, kept current as it is decided."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from heapq import nsmallest
from typing import Any

from domain.evidence import Identity, compare_birth_dates
from domain.known_as import carry_over, identities_of_patient
from domain.matching import TIERS, Candidate, Match, MatchKey, Rules, classify, match_keys
from domain.patient import Patient


class CandidateIndex:
    """The match index of one list: a record sees what the records before it in the list have changed."""

    def __init__(self, found: Iterable[Patient]) -> None:
        self._patients: dict[str, Patient] = {}
        self._candidates: dict[str, tuple[Candidate, ...]] = {}
        self._keys: dict[str, frozenset[MatchKey]] = {}
        self._ids: dict[tuple[str, str, str], set[str]] = {}
        for patient in found:
            self.put(patient)

    def put(self, patient: Patient) -> None:
        """Add the patient, or replace its state."""
        before = self._patients.get(patient.id)
        self._patients[patient.id] = patient
        if before is not None:
            carry_over(before, patient)
            same = identities_of_patient(before) is identities_of_patient(patient)
            if same and before.distinct_from == patient.distinct_from:
                return
        for kind, key in self._keys.get(patient.id, ()):
            self._ids[patient.organization_id, kind, key].discard(patient.id)
        distinct = frozenset(patient.distinct_from)
        known = tuple(Candidate(patient.id, each, distinct) for each in identities_of_patient(patient))
        keys = frozenset(key for each in known for key in match_keys(each.identity))
        self._candidates[patient.id] = known
        self._keys[patient.id] = keys
        for kind, key in keys:
            self._ids.setdefault((patient.organization_id, kind, key), set()).add(patient.id)

    def patient(self, patient_id: str) -> Patient:
        """Return the patient's state so far."""
        return self._patients[patient_id]

    def candidates(
        self, organization_id: str, record: Identity, keys: Iterable[tuple[str, str]], rules: Rules
    ) -> tuple[list[Candidate], frozenset[MatchKey]]:
        """Return (patients that share a key, in the order of their ids; the keys that too many share)."""
        ids: set[str] = set()
        crowded = set()
        for kind, key in keys:
            sharing = self._ids.get((organization_id, kind, key), set())
            if len(sharing) > rules.candidate_limit:
                crowded.add(MatchKey(kind, key))
                sharing = set(nsmallest(rules.candidate_limit + 1, sharing))  # as many as were looked up, and the same
            ids |= sharing
        return [_as_met(record, self._candidates[each], rules) for each in sorted(ids)], frozenset(crowded)


def _as_met(record: Identity, known: Sequence[Candidate], rules: Rules) -> Candidate:
    """Return the candidate as whom the record meets it: of a patient's identities, the one of the earliest tier."""
    if len(known) == 1:
        return known[0]

    def tier(candidate: Candidate) -> tuple[int, bool]:
        outcome = classify(record, [candidate], rules)
        if isinstance(outcome, Match):
            return TIERS.index(outcome.tier), outcome.overlay is not None
        return len(TIERS), not outcome.rivals

    identities = [each.identity for each in known]
    return min((replace(each, identity=_as_one(record, each.identity, identities)) for each in known), key=tier)


def _as_one(record: Identity, identity: Identity, known: Sequence[Identity]) -> Identity:
    """Return one of a patient's identities with what the others know of that which the record says.

    They are one person: what this one lacks must not let a record past what another one holds against it (the son's,
    past his father's date of birth), and an external id of one is everybody's.
    """
    added: dict[str, Any] = {}
    if ids := {each for other in known for each in other.external_ids}.intersection(record.external_ids):
        added["external_ids"] = tuple(ids)
    if record.birth_date and not identity.birth_date:
        dates = [each.birth_date for each in known if each.birth_date]
        far = partial(_is_far, record.birth_date)
        added["date_of_birth"] = min(dates, key=far, default=identity.date_of_birth)
    for name in ("gender", "middle_name"):
        said = getattr(record, name)
        if said and not getattr(identity, name):
            held = [word for each in known if (word := getattr(each, name))]
            added[name] = said if said in held else next(iter(held), None)
    return replace(identity, **added) if added else identity


def _is_far(one: str, other: str) -> bool:
    return compare_birth_dates(one, other) == "different"
