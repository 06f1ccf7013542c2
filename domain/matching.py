"""Whose record is this? The documented cascade, from the candidates that share a match key to one patient or none.

external id → demographics (exact, then close) → phone and fuzzy name → email and fuzzy name. The first tier with
exactly one surviving candidate wins; where several survive and the rest of the evidence does not single one out,
nobody is guessed. A wrong match mixes two people in one record and is the worst that can happen; a missed one is a
duplicate, which is flagged and can be merged later. So where two people could look alike, the rules ask for more.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from domain.evidence import Evidence, Identity, compare, restates
from domain.likeness import may_be_renamed
from domain.match_keys import MatchKey, match_keys
from domain.shared_contacts import shared_contacts
from domain.tiers import HOLDS, close_demographics, exact_demographics, shared_contact
from domain.weighing import disagrees_as_a_person, may_be_one_person, single_out

__all__ = [
    "RULE_VERSION",
    "TIERS",
    "Candidate",
    "Identity",
    "Match",
    "MatchKey",
    "NoMatch",
    "Overlay",
    "Rival",
    "Rules",
    "classify",
    "match_keys",
]

RULE_VERSION = "2"
"""Told with every match. It changes with every change of a rule, a word list or a threshold."""

EXTERNAL_ID = "external_id"
STEPS = ("demographics", "demographics", "phone_fuzzy_name", "email_fuzzy_name")
"""The tiers after the external id, in order; demographics twice: exact first, then close."""
TIERS = (EXTERNAL_ID, *dict.fromkeys(STEPS))
"""All tiers, in order."""


@dataclass(frozen=True)
class Candidate:
    """A patient that shares a match key with the record. distinct_from: patients that people said are others."""

    id: str
    identity: Identity
    distinct_from: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rules:
    """What an organization may choose.

    close_variants: whether close names with an equal date of birth match. shared_contact_people: a contact that so
    many different people hold, or twice as many of one family, carries no match. candidate_limit: nor does a key
    with more patients than this, of which not all are looked up.
    """

    close_variants: bool = True
    shared_contact_people: int = 5
    candidate_limit: int = 50


@dataclass(frozen=True)
class Rival:
    """Another patient that was considered, in which tier, and why it lost. flag: it may be the same person."""

    id: str
    tier: str | None
    reason: str
    evidence: dict[str, str]
    flag: bool


@dataclass(frozen=True)
class Overlay:
    """Why a record with a patient's external id may be another person's.

    other_id: whose, where that is known and the pair is still to be looked at; else the patient is, by itself.
    """

    evidence: dict[str, str]
    other_id: str | None = None


@dataclass(frozen=True)
class Match:
    """The patient whose record this is."""

    id: str
    tier: str
    evidence: dict[str, str]
    rivals: tuple[Rival, ...] = ()
    overlay: Overlay | None = None


@dataclass(frozen=True)
class NoMatch:
    """Nobody's record. `ambiguous`: in `tier` several survived, and none was singled out."""

    rivals: tuple[Rival, ...] = ()
    ambiguous: bool = False
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A candidate with its evidence and the verdict of each step."""

    candidate: Candidate
    evidence: Evidence
    verdicts: tuple[str | None, ...] = field(default=())

    @property
    def stands(self) -> str | None:
        """Return the first tier that holds."""
        return next((tier for tier, word in zip(STEPS, self.verdicts, strict=True) if word == HOLDS), None)


def classify(
    record: Identity,
    candidates: Sequence[Candidate],
    rules: Rules = Rules(),
    crowded: Set[MatchKey] = frozenset(),
) -> Match | NoMatch:
    """Find the one candidate whose record this is, or none.

    candidates: every patient that shares a match key with the record, in any order. crowded: the keys of the record
    with more than `rules.candidate_limit` patients; of those some may be missing among the candidates.
    """
    ordered = sorted({each.id: each for each in candidates}.values(), key=lambda each: each.id)
    shared = shared_contacts(record, [each.identity for each in ordered], rules.shared_contact_people, crowded)
    judged = [_judge(record, each, rules, shared, crowded) for each in ordered]
    if holders := [each for each in judged if each.evidence.external_id == "equal"]:
        return _by_external_id(record, holders, judged)
    for step, tier in enumerate(STEPS):
        standing = [each for each in judged if each.verdicts[step] == HOLDS]
        if not standing:
            continue
        winner = _single_out(record, standing)
        if winner is None or _may_be_a_twin(winner, judged, step):
            return NoMatch(tuple(_rivals_of_none(judged, tie=standing)), ambiguous=True, tier=tier)
        return Match(winner.candidate.id, tier, winner.evidence.told(), tuple(_rivals(winner, tier, judged)))
    return NoMatch(tuple(_rivals_of_none(judged, tie=())))


def _judge(record: Identity, candidate: Candidate, rules: Rules, shared: Set[str], crowded: Set[MatchKey]) -> _Judged:
    patient = candidate.identity
    evidence = compare(record, patient, shared)
    exact, close = exact_demographics(evidence), close_demographics(evidence)
    if close == HOLDS and not rules.close_variants:
        close = "close_variants_off"
    if crowded and not evidence.contact_agrees and _only_crowded(record, patient, crowded):
        exact, close = ("shared_date" if word == HOLDS else word for word in (exact, close))
    phone = shared_contact(evidence.phone, evidence, record, patient)
    email = shared_contact(evidence.email, evidence, record, patient)
    return _Judged(candidate, evidence, (exact, close, phone, email))


def _only_crowded(record: Identity, patient: Identity, crowded: Set[MatchKey]) -> bool:
    """Tell whether every key of date and name in common has more patients than were looked up: others may tie."""
    common = match_keys(record) & match_keys(patient)
    return all(key in crowded for key in common if key.kind.startswith("birth"))


def _single_out(record: Identity, standing: Sequence[_Judged]) -> _Judged | None:
    """Return the one that the evidence prefers, else the only one that says just what the record says."""
    place = single_out([each.evidence for each in standing])
    if place is not None:
        return standing[place]
    same = [each for each in standing if restates(record, each.candidate.identity)]
    return same[0] if len(same) == 1 else None


def _may_be_a_twin(winner: _Judged, judged: Sequence[_Judged], step: int) -> bool:
    """Tell whether the name fits another one too, who was left out because a twin might be meant: the winner is one."""
    vague = winner.evidence.first_name in {"initial", "spelling"}
    return vague and any(each.verdicts[step] == "twins" for each in judged)


def _by_external_id(record: Identity, holders: Sequence[_Judged], judged: Sequence[_Judged]) -> Match | NoMatch:
    """Return the holder of the record's external id, and what speaks against it being the record's patient.

    The partner's word decides. But an id that was typed wrong or given out again mixes two people, so an overlay is
    suspected where the two disagree as people do (`disagrees_as_a_person`), or where something of the name or date
    disagrees and the demographics are another patient's.
    """
    holder = _single_out(record, holders)
    if holder is None:
        return NoMatch(tuple(_rivals_of_none(judged, tie=holders)), ambiguous=True, tier=EXTERNAL_ID)
    evidence = holder.evidence
    overlay = None
    if holder.stands is None:
        others = [each for each in judged if each is not holder and each.stands == "demographics"]
        words = {evidence.first_name, evidence.last_name, evidence.date_of_birth}
        disagreeing = words & {"different", "overlap", "alike"}
        if disagrees_as_a_person(evidence, renamed=may_be_renamed(record.name, holder.candidate.identity.name)) or (
            others and disagreeing
        ):
            pair = len(others) == 1 and not _are_distinct(holder.candidate, others[0].candidate)
            overlay = Overlay(evidence.told(), others[0].candidate.id if pair else None)
    return Match(
        holder.candidate.id,
        EXTERNAL_ID,
        evidence.told(),
        tuple(_rivals(holder, EXTERNAL_ID, judged)),
        overlay,
    )


def _rivals(winner: _Judged, tier: str, judged: Iterable[_Judged]) -> Iterator[Rival]:
    """Tell of the others that the record could have been; who survived a tier too may be the winner's duplicate."""
    for each in judged:
        if each is winner:
            continue
        stands, other = each.stands, each.candidate
        flag = stands is not None and not _are_distinct(winner.candidate, other)
        if stands is not None:
            reason = "less_evidence" if stands == tier else "later_tier"
            yield Rival(other.id, stands, reason, each.evidence.told(), flag)
        elif may_be_one_person(each.evidence):
            yield Rival(other.id, *_refusal(each), each.evidence.told(), flag)


def _are_distinct(one: Candidate, other: Candidate) -> bool:
    return other.id in one.distinct_from or one.id in other.distinct_from


def _rivals_of_none(judged: Iterable[_Judged], tie: Sequence[_Judged]) -> Iterator[Rival]:
    """Tell of those that the record could have been; a person should look at each of them."""
    for each in judged:
        told = each.evidence.told()
        if each in tie:
            yield Rival(each.candidate.id, each.stands or EXTERNAL_ID, "tie", told, flag=True)
        elif each.stands is not None:
            yield Rival(each.candidate.id, each.stands, "later_tier", told, flag=True)
        elif may_be_one_person(each.evidence):
            yield Rival(each.candidate.id, *_refusal(each), told, flag=True)


def _refusal(judged: _Judged) -> tuple[str | None, str]:
    """Return the first tier that was in question, and its reason."""
    asked = zip(STEPS, judged.verdicts, strict=True)
    return next(((tier, word) for tier, word in asked if word), (None, "names"))
