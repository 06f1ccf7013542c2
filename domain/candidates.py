"""Who could a record of this list be? The patients found for the list, by key, kept current as it is decided."""

from collections.abc import Iterable

from domain.matching import Candidate, MatchKey, match_keys
from domain.patient import Patient
from domain.upsert import identity_of_patient


class CandidateIndex:
    """The match index of one list: a record sees what the records before it in the list have changed."""

    def __init__(self, found: Iterable[Patient]) -> None:
        self._patients: dict[str, Patient] = {}
        self._candidates: dict[str, Candidate] = {}
        self._keys: dict[str, frozenset[MatchKey]] = {}
        self._ids: dict[tuple[str, str, str], set[str]] = {}
        for patient in found:
            self.put(patient)

    def put(self, patient: Patient) -> None:
        """Add the patient, or replace its state."""
        for kind, key in self._keys.get(patient.id, ()):
            self._ids[patient.organization_id, kind, key].discard(patient.id)
        identity = identity_of_patient(patient)
        keys = match_keys(identity)
        self._patients[patient.id] = patient
        self._candidates[patient.id] = Candidate(id=patient.id, identity=identity)
        self._keys[patient.id] = keys
        for kind, key in keys:
            self._ids.setdefault((patient.organization_id, kind, key), set()).add(patient.id)

    def patient(self, patient_id: str) -> Patient:
        """Return the patient's state so far."""
        return self._patients[patient_id]

    def candidates(
        self, organization_id: str, keys: Iterable[tuple[str, str]], limit: int
    ) -> tuple[list[Candidate], frozenset[MatchKey]]:
        """Return (patients that share a key, in the order of their ids; the keys that more than `limit` share)."""
        ids: set[str] = set()
        crowded = set()
        for kind, key in keys:
            sharing = self._ids.get((organization_id, kind, key), set())
            if len(sharing) > limit:
                crowded.add(MatchKey(kind, key))
            ids |= sharing
        return [self._candidates[patient_id] for patient_id in sorted(ids)], frozenset(crowded)
