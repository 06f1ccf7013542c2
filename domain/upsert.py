"""What does a record change? A record is a desired state; only the differences become events.

`interpret` turns the record and the outcome of the matching into the patient's new events, and what was dropped. It is
pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain import matching
from domain.commands import (
    AddReferral,
    AssignExternalId,
    ChangeAddress,
    ChangeFact,
    ChangePhone,
    Command,
    CreatePatient,
    FlagPossibleDuplicate,
    PutPayors,
    RecordMatch,
    ReplaceTags,
    ReportDrop,
    SetCustomField,
    SuspectOverlay,
)
from domain.dropped import Dropped, Reason
from domain.entry import Envelope
from domain.events import FACT_EVENTS, Event, PatientMatched
from domain.evidence import Identity
from domain.golden_record import ADDRESS_PARTS, IDENTITY
from domain.known_as import identity_of_facts
from domain.matching import Match, NoMatch
from domain.normalise import Clean
from domain.organization import Organization
from domain.patient import Patient, decide, evolve
from domain.record import told

IDENTITY_FACTS = ("first_name", "middle_name", "last_name", "date_of_birth", "gender")


@dataclass(frozen=True)
class Interpretation:
    """What one record means: the patient afterwards, the new events and everything that was dropped."""

    patient: Patient
    events: tuple[Event, ...]
    dropped: tuple[Dropped, ...]


def identity_of_record(clean: Clean) -> Identity:
    """Return what the matching may know of a record."""
    return identity_of_facts(clean.facts, () if clean.external_id is None else (clean.external_id,))


def compared(clean: Clean) -> dict[str, str]:
    """Return who a record says it is, as `PatientMatched` tells it."""
    said = {name: clean.facts[name] for name in IDENTITY if name in clean.facts}
    return said if clean.external_id is None else {**said, "external_id": ":".join(clean.external_id)}


def rules_of(organization: Organization) -> matching.Rules:
    """Return the matching rules that the organization chose."""
    return matching.Rules(close_variants=organization.close_variants == "on")


def interpret(
    clean: Clean,
    dropped: Sequence[Dropped],
    outcome: Match | NoMatch,
    patient: Patient | None,
    organization: Organization,
    envelope: Envelope,
) -> Interpretation:
    """Decide what the record changes on `patient` (`None`: on a new one).

    `envelope` holds the new or found patient's id; its instant is provisional, until the append hands out the real one.
    When nothing changes there are no events: the match is told only ahead of something it led to.
    """
    drops = list(dropped)
    said = compared(clean)
    if isinstance(outcome, Match) and outcome.overlay is not None and organization.overlay == "hold":
        assert patient is not None
        clean, held_back = _hold_identity(clean, patient)
        drops += held_back
    if patient is not None and _phone_is_refused(clean, patient):
        drops.append(Dropped("phone_number", Reason.PHONE_LOCKED.value, None))
    drops = [*told(drops)] if len(drops) > len(dropped) else drops

    commands = _commands(clean, dropped, outcome, patient, said)
    events: list[Event] = []
    state = patient
    for command in commands:
        for event in decide(state, command):
            events.append(event)
            state = evolve(state, event, envelope)
    assert state is not None
    if len(events) == 1 and isinstance(events[0], PatientMatched):
        assert patient is not None
        return Interpretation(patient, (), tuple(drops))
    return Interpretation(state, tuple(events), tuple(drops))


def _commands(
    clean: Clean,
    dropped: Iterable[Dropped],
    outcome: Match | NoMatch,
    patient: Patient | None,
    said: Mapping[str, str],
) -> Iterable[Command]:
    facts = clean.facts
    if patient is None:
        yield CreatePatient(facts=facts)
    else:
        assert isinstance(outcome, Match)
        yield RecordMatch(
            tier=outcome.tier,
            rule_version=matching.RULE_VERSION,
            evidence=outcome.evidence,
            rivals=tuple(told_rival(rival) for rival in outcome.rivals),
            record=said,
        )
        if outcome.overlay is not None:
            yield SuspectOverlay(
                evidence=outcome.overlay.evidence,
                offered={name: said[name] for name in IDENTITY_FACTS if name in said},
                other_id=outcome.overlay.other_id,
            )
        for name, value in facts.items():
            if name in FACT_EVENTS and name != "phone_extension":
                yield ChangeFact(field=name, new=value)
        if "phone_number" in facts:
            yield ChangePhone(new=facts["phone_number"], extension=facts.get("phone_extension"))
        if parts := {part: facts[part] for part in ADDRESS_PARTS if part in facts}:
            yield ChangeAddress(parts=parts)
    if clean.external_id is not None:
        yield AssignExternalId(*clean.external_id)
    if clean.tags is not None:
        yield ReplaceTags(names=clean.tags)
    for name, value in clean.custom_fields.items():
        yield SetCustomField(name=name, value=value)
    if clean.payors:
        yield PutPayors(payors=clean.payors)
    if clean.referral is not None:
        yield AddReferral(referral=clean.referral)
    for drop in {drop.field: drop for drop in dropped}.values():  # names that cannot be shown share a stand-in
        yield ReportDrop(field=drop.field, reason=drop.reason, offered=drop.offered)
    for rival in outcome.rivals:
        if rival.flag:
            yield FlagPossibleDuplicate(other_id=rival.id, reason=rival.reason, evidence=rival.evidence)


def told_rival(rival: matching.Rival) -> dict[str, object]:
    """Return a rival as events and answers tell it: who, in which tier, and why it lost."""
    return {
        "patient_id": rival.id,
        "tier": rival.tier,
        "reason": rival.reason,
        "evidence": dict(rival.evidence),
    }


def _phone_is_refused(clean: Clean, patient: Patient) -> bool:
    offered = clean.facts.get("phone_number")
    return patient.phone_locked and patient.phone is not None and offered is not None and offered != patient.phone


def _hold_identity(clean: Clean, patient: Patient) -> tuple[Clean, list[Dropped]]:
    """Return the record without the identity facts that differ from the patient's, and those as drops."""
    facts = dict(clean.facts)
    held_back = [
        Dropped(name, Reason.OVERLAY_HELD.value, facts.pop(name))
        for name in IDENTITY_FACTS
        if name in facts and facts[name] != patient.facts.get(name)
    ]
    return Clean(**{**clean.__dict__, "facts": facts}), held_back
