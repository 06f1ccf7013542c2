"""Who could a record of this list be? The patients found for the list, by key, kept current as it is decided."""

from collections.abc import Iterable, Sequence
from heapq import nsmallest

from domain.evidence import Identity
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

    def tier(candidate: Candidate) -> int:
        outcome = classify(record, [candidate], rules)
        return TIERS.index(outcome.tier) if isinstance(outcome, Match) else len(TIERS) + (not outcome.rivals)

    return min(known, key=tier)
