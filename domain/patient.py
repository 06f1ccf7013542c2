"""What may happen to a patient, and what does each event mean?

`decide(state, command)` returns the new facts, none when they already hold. `evolve(state, event, envelope)` gives an
event its meaning, and nothing else does: the live path, the rebuild, the as-of replay and the verifier all call it.
What an event changes stands in `changes_alone`; in `survivor`, where others are merged into the patient.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from domain.changes_alone import changes_alone
from domain.child_ids import child_id
from domain.commands import (
    AddReferral,
    AssignExternalId,
    ChangeAddress,
    ChangeFact,
    ChangePhone,
    Command,
    CreatePatient,
    DismissDuplicate,
    DismissOverlay,
    ErasePatient,
    FlagPossibleDuplicate,
    PutPayors,
    RecordCommunication,
    RecordMatch,
    ReplaceTags,
    ReportDrop,
    SetCustomField,
    SuspectOverlay,
)
from domain.entry import Envelope, ErasedEvent
from domain.errors import IllegalCommand
from domain.events import (
    FACT_EVENTS,
    AddressChanged,
    CustomFieldSet,
    DuplicateDismissed,
    Event,
    ExternalIdAssigned,
    ExternalIdReplaced,
    FieldDropped,
    FirstCommunicationRecorded,
    OverlayDismissed,
    OverlaySuspected,
    PatientCreated,
    PatientErased,
    PatientMatched,
    PatientMerged,
    PatientUnmerged,
    PhoneChanged,
    PhoneLockRespected,
    PossibleDuplicateFlagged,
    ReferralAdded,
    TagsReplaced,
)
from domain.held_payors import put_payors
from domain.json_values import same_json
from domain.patient_state import Patient
from domain.stored_state import made, put
from domain.survivor import changes_of_survivor

__all__ = ["Patient", "decide", "evolve", "fold"]


def decide(patient: Patient | None, command: Command) -> list[Event]:
    """Return the new facts; none when they already hold. IllegalCommand when the command does not fit."""
    match patient, command:
        case None, CreatePatient(facts=facts):
            return [PatientCreated(facts=dict(facts))]
        case Patient(), RecordMatch():
            return [
                PatientMatched(
                    tier=command.tier,
                    rule_version=command.rule_version,
                    evidence=dict(command.evidence),
                    rivals=[dict(rival) for rival in command.rivals],
                    record=dict(command.record),
                )
            ]
        case Patient(facts=facts), ChangeFact(field=name, new=new):
            old = facts.get(name)
            return [] if old == new else [FACT_EVENTS[name](old=old, new=new)]
        case Patient(facts=facts), ChangeAddress(parts=parts):
            changed = {part: value for part, value in parts.items() if facts.get(part) != value}
            old_parts = {part: facts.get(part) for part in changed}
            return [AddressChanged(old=old_parts, new=changed)] if changed else []
        case Patient(), AssignExternalId(type_id=type_id, value=value):
            old = patient.external_id(type_id)
            if old is None:
                return [ExternalIdAssigned(type_id=type_id, value=value)]
            return [] if old == value else [ExternalIdReplaced(type_id=type_id, old=old, new=value)]
        case Patient(phone=held), ChangePhone(new=new, extension=extension) if new == held:
            if extension is None or extension == patient.facts.get("phone_extension"):
                return []
            return decide(patient, ChangeFact(field="phone_extension", new=extension))
        case Patient(phone=str(held), phone_locked=True), ChangePhone(new=new):
            return [] if new == patient.refused_phone else [PhoneLockRespected(kept=held, offered=new)]
        case Patient(phone=held), ChangePhone(new=new, extension=extension):
            return [PhoneChanged(old=held, new=new, extension=extension)]
        case Patient(tags=tags), ReplaceTags(names=names):
            return [] if tuple(tags) == names else [TagsReplaced(old=list(tags), new=list(names))]
        case Patient(custom_fields=fields), SetCustomField(name=name, value=value):
            if name in fields and same_json(fields[name], value):
                return []
            return [CustomFieldSet(name=name, old=fields.get(name), new=value)]
        case Patient(referrals=referrals), AddReferral(referral=referral):
            if any(held["referral"] == referral for held in referrals):
                return []
            referral_id = next(_child_ids(patient, "referral", len(referrals)))
            return [ReferralAdded(referral_id=referral_id, referral=dict(referral))]
        case Patient(payors=payors), PutPayors(payors=sent):
            return put_payors(payors, sent, _child_ids(patient, "payor", len(payors)))
        case Patient(told_drops=told), ReportDrop(field=name, reason=reason, offered=offered):
            if any(tuple(each) == (name, reason, offered) for each in told):
                return []
            return [FieldDropped(field=name, reason=reason, offered=offered)]
        case Patient(possible_duplicates=flagged), FlagPossibleDuplicate(other_id=other_id):
            if other_id in flagged or other_id in patient.distinct_from:
                return []
            flag = PossibleDuplicateFlagged(other_id=other_id, reason=command.reason, evidence=dict(command.evidence))
            return [flag]
        case Patient(), SuspectOverlay(evidence=evidence, offered=offered, other_id=other_id):
            if patient.suspected_overlay is not None and patient.suspected_overlay["offered"] == offered:
                return []
            held_facts = {name: patient.facts[name] for name in offered if name in patient.facts}
            return [
                OverlaySuspected(evidence=dict(evidence), held=held_facts, offered=dict(offered), other_id=other_id)
            ]
        case Patient(possible_duplicates=flagged), DismissDuplicate(other_id=other_id):
            return [DuplicateDismissed(other_id=other_id)] if other_id in flagged.keys() - patient.distinct_from else []
        case Patient(), DismissOverlay():
            return [OverlayDismissed()] if patient.unresolved_overlay else []
        case Patient(erased=erased), ErasePatient(order=order):
            return [PatientErased(order=order)] if erased is None else []
        case Patient(communicated_at=told_at), RecordCommunication():
            if told_at is not None:
                return []
            return [
                FirstCommunicationRecorded(
                    channel=command.channel, direction=command.direction, occurred_at=command.occurred_at
                )
            ]
    raise IllegalCommand(command)


def _child_ids(patient: Patient, kind: str, place: int) -> Iterator[str]:
    """Return ids for parts of the patient; the same place gives the same id, so that deciding stays pure.

    A place may be taken: while somebody was merged into the patient there were more parts than there are now.
    """
    taken = {held["id"] for held in (*patient.payors, *patient.referrals)}
    ids = (child_id(patient.id, f"{kind}:{each}") for each in count(place))
    return (each for each in ids if each not in taken)


_OF_THEIR_OWN = frozenset({PatientCreated, ErasedEvent, PatientErased, PatientMerged, PatientUnmerged})
"""Events that do not simply change something in the state there is."""


UNREAD: Mapping[tuple[str, int], Event] = {("PatientMatched", 1): made(PatientMatched, {})}
"""(topic, schema version) → an event that means no more for the state than that it happened: whoever folds whole
streams need not read its payload."""


def evolve(patient: Patient | None, event: Event, envelope: Envelope, *, in_place: bool = False) -> Patient:
    """Return the state after `event`. in_place: it is the state given, changed; nobody else holds on to that."""
    at = envelope.recorded_at
    if type(event) in _OF_THEIR_OWN:
        match event:
            case PatientCreated():
                return _created(event, envelope)
            case ErasedEvent() | PatientErased():
                return _without_content(patient, event, envelope)
    assert patient is not None, "a patient's stream starts with PatientCreated"
    if patient.absorbed or type(event) in _OF_THEIR_OWN:
        changes = changes_of_survivor(patient, event, at)
    else:
        changes = changes_alone(patient, event, at)
    state = patient if in_place else patient.changed()
    values = vars(state)
    if changes:
        put(values, changes)
    values["version"] += 1
    values["updated_at"] = at
    return state


def _created(event: PatientCreated, envelope: Envelope) -> Patient:
    facts = event.facts
    state = {
        "id": envelope.stream_id,
        "organization_id": envelope.organization_id,
        "created_at": envelope.recorded_at,
        "updated_at": envelope.recorded_at,
        "source": envelope.source,
        "version": 1,
        "created_name": (facts.get("first_name"), facts.get("last_name")),
    }
    return made(Patient, put(state, {"facts": facts}))


def _without_content(patient: Patient | None, event: ErasedEvent | PatientErased, envelope: Envelope) -> Patient:
    """Return what is left after an erasure: the same whether the erased events are still known or not."""
    at = envelope.recorded_at
    state = {
        "id": envelope.stream_id,
        "organization_id": envelope.organization_id,
        "created_at": at if patient is None else patient.created_at,
        "updated_at": at,
        "source": envelope.source if patient is None else patient.source,
        "version": 1 if patient is None else patient.version + 1,
    }
    return made(
        Patient, put(state, {"erased": {"order": event.order, "at": at}} if type(event) is PatientErased else {})
    )


def fold(entries: Iterable[tuple[Event, Envelope]]) -> Patient | None:
    """Return the state that these events leave; `None` for no events."""
    state: Patient | None = None
    for event, envelope in entries:
        state = evolve(state, event, envelope, in_place=True)
    return state
