"""Would one patient's record land on another, and why? What the matching says of two patients, by its own path.

One of them is taken as a record that has just come: looked up by its keys among all patients but itself, and judged
with whoever else shares them, as an upsert would be.
"""

from dataclasses import dataclass

from domain.candidates import CandidateIndex
from domain.evidence import compare
from domain.known_as import identities_of_patient, keys_of_patient
from domain.ledger import Ledger
from domain.matching import RULE_VERSION, Match, classify, match_keys
from domain.review import Review
from domain.upsert import rules_of

NO_COMMON_KEY = "no_common_key"
"""The two share nothing by which one would be looked up for the other."""

TOO_DIFFERENT = "too_different"
"""They were compared, and nothing speaks for one person."""


@dataclass(frozen=True)
class Explanation:
    """What became of a patient when another one's record was matched.

    tier: where it won, or stood, or was refused. reason: why it lost; empty when it won. winner_id: who won.
    """

    record_id: str
    patient_id: str
    tier: str | None
    reason: str
    evidence: dict[str, str]
    winner_id: str | None
    rule_version: str = RULE_VERSION

    @property
    def matches(self) -> bool:
        """Return whether the record would land on the patient."""
        return self.winner_id == self.patient_id


def explain(ledger: Ledger, organization_id: str, record_id: str, patient_id: str) -> Explanation:
    """Match what is known of one patient against all others; tell what became of the other. UnknownPatient."""
    rules = rules_of(ledger.current_organization(organization_id))
    review = Review(ledger)
    record, patient = (review.survivor(organization_id, each) for each in (record_id, patient_id))
    identity = identities_of_patient(record)[0]
    keys = match_keys(identity)
    with ledger.recorder.unit_of_work([organization_id]) as work:
        wanted = [(organization_id, kind, key) for kind, key in keys]
        found, _ = work.look_up(wanted, known={}, limit=rules.candidate_limit + 2)
    index = CandidateIndex(each for each in (*found, patient) if each.id != record.id)
    candidates, crowded = index.candidates(organization_id, identity, keys, rules)
    outcome = classify(identity, candidates, rules, crowded)
    winner_id = outcome.id if isinstance(outcome, Match) else None
    if isinstance(outcome, Match) and outcome.id == patient.id:
        return Explanation(record.id, patient.id, outcome.tier, "", outcome.evidence, winner_id)
    for rival in outcome.rivals:
        if rival.id == patient.id:
            return Explanation(record.id, patient.id, rival.tier, rival.reason, rival.evidence, winner_id)
    reason = TOO_DIFFERENT if keys & keys_of_patient(patient) else NO_COMMON_KEY
    evidence = compare(identity, identities_of_patient(patient)[0]).told()
    return Explanation(record.id, patient.id, None, reason, evidence, winner_id)
