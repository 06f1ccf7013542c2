"""What would other rules have decided? The recorded decisions, made again in their order, on the ledger as it was then.

A decision is the placing of one record: `PatientCreated` or `PatientMatched`, and what follows it in the stream. Who
the record said it is stands in those events. Each is judged against the patients as they had become by the decisions
that were really made, so one difference does not lead to the next. What the log does not hold cannot be judged: records
that changed nothing, records that were refused, and patients that were erased.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from domain import organization as organizations
from domain.candidates import CandidateIndex
from domain.entry import Entry, ErasedEvent
from domain.events import ExternalIdAssigned, PatientCreated, PatientMatched
from domain.evidence import Identity
from domain.known_as import identity_of_facts
from domain.matching import RULE_VERSION, Match, Rules, classify, match_keys
from domain.organization import Organization
from domain.patient import Patient, evolve

RulesOf = Callable[[Organization], Rules]

NEW = "created"
REFUSED = "refused"


@dataclass(frozen=True)
class Verdict:
    """Where a record lands: on a patient by a tier, or `created`; `refused` when too little would be left to go by."""

    patient_id: str | None
    tier: str
    rule_version: str


@dataclass(frozen=True)
class Difference:
    """A decision that would be another one. `position` is that of its first entry."""

    position: int
    organization_id: str
    was: Verdict
    would_be: Verdict
    evidence: dict[str, str]
    rivals: tuple[tuple[str, str], ...]


@dataclass
class Rematch:
    """The decisions of a log made again. All folds are held in memory: about 5 KB for a patient.

    rules_of: the rules to judge by, given the organization as it was. not_judged: decisions on erased patients.
    """

    rules_of: RulesOf
    decisions: int = 0
    not_judged: int = 0
    _organizations: dict[str, Organization] = field(default_factory=dict)
    _patients: dict[str, Patient] = field(default_factory=dict)
    _indexes: dict[str, CandidateIndex] = field(default_factory=dict)

    def differences(self, entries: Iterable[Entry]) -> Iterator[Difference]:
        """Yield the decisions that would be others. entries: in the order of their positions."""
        for placed in _placings(entries):
            difference = self._judge(placed)
            for entry in placed:
                self._apply(entry)
            self._index(placed)
            if difference is not None:
                yield difference

    def _judge(self, placed: list[Entry]) -> Difference | None:
        first = placed[0]
        organization_id, stream = str(first.organization_id), str(first.originator_id)
        if isinstance(first.event, ErasedEvent) and _begins(first):
            self.not_judged += 1
        if not isinstance(first.event, PatientCreated | PatientMatched):
            return None
        self.decisions += 1
        record = _record(placed)
        index = self._indexes.setdefault(organization_id, CandidateIndex(()))
        rules = self.rules_of(self._organizations[organization_id])
        candidates, crowded = index.candidates(organization_id, record, match_keys(record), rules)
        outcome = classify(record, candidates, rules, crowded)
        if isinstance(outcome, Match):
            now = Verdict(outcome.id, outcome.tier, RULE_VERSION)
        else:
            now = Verdict(None, NEW if _identifies(record) else REFUSED, RULE_VERSION)
        if isinstance(first.event, PatientMatched):
            was = Verdict(stream, first.event.tier, first.event.rule_version)
        else:
            was = Verdict(None, NEW, "")
        if (was.patient_id, was.tier) == (now.patient_id, now.tier):
            return None
        evidence = outcome.evidence if isinstance(outcome, Match) else {}
        rivals = tuple((rival.id, rival.reason) for rival in outcome.rivals)
        return Difference(first.position, organization_id, was, now, evidence, rivals)

    def _apply(self, entry: Entry) -> None:
        organization_id, stream = str(entry.organization_id), str(entry.originator_id)
        if stream == organization_id:
            organization = self._organizations.get(organization_id)
            self._organizations[organization_id] = organizations.evolve(organization, entry.event, entry.envelope())
            return
        self._patients[stream] = evolve(self._patients.get(stream), entry.event, entry.envelope())

    def _index(self, placed: list[Entry]) -> None:
        stream = str(placed[0].originator_id)
        if stream in self._patients:
            index = self._indexes.setdefault(str(placed[0].organization_id), CandidateIndex(()))
            index.put(self._patients[stream])


def _placings(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries of one record, or of anything else, together: one stream, one request, one beginning."""
    together: list[Entry] = []
    for entry in entries:
        if together and (_begins(entry) or _key(entry) != _key(together[-1])):
            yield together
            together = []
        together.append(entry)
    if together:
        yield together


def _begins(entry: Entry) -> bool:
    return entry.topic in {PatientCreated.__name__, PatientMatched.__name__}


def _key(entry: Entry) -> tuple[object, str]:
    return entry.originator_id, entry.request_id


def _record(placed: list[Entry]) -> Identity:
    """Return who the record said it is."""
    event = placed[0].event
    if isinstance(event, PatientMatched):
        facts = {name: value for name, value in event.record.items() if name != "external_id"}
        type_id, _, value = event.record.get("external_id", "").partition(":")
        return identity_of_facts(facts, [(type_id, value)] if type_id else [])
    assert isinstance(event, PatientCreated)
    assigned = [each.event for each in placed if isinstance(each.event, ExternalIdAssigned)]
    return identity_of_facts(event.facts, [(each.type_id, each.value) for each in assigned])


def _identifies(record: Identity) -> bool:
    """Return whether a patient can be created from the record."""
    return bool(record.phone or (record.first_name and record.last_name and record.date_of_birth))
