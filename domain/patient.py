"""What is true of a patient: the state, what may happen to it, and what each event means.

`decide(state, command)` returns the new facts, none when they already hold. `evolve(state, event, envelope)` gives an
event its meaning, here and nowhere else: the live path, the rebuild, the as-of replay and the verifier all call it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID, uuid5

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
    FactChanged,
    FieldDropped,
    FirstCommunicationRecorded,
    OverlayDismissed,
    OverlaySuspected,
    PatientCreated,
    PatientErased,
    PatientMatched,
    PatientMerged,
    PatientMergedInto,
    PatientRestored,
    PatientUnmerged,
    PayorAdded,
    PayorChanged,
    PhoneChanged,
    PhoneLockRespected,
    PossibleDuplicateFlagged,
    ReferralAdded,
    TagsReplaced,
)
from domain.golden_record import ADDRESS_PARTS, absorbed_ids, external_id_of, with_id
from domain.held_payors import put_payors
from domain.json_values import same_json
from domain.stored_state import made, put, sparse
from domain.survivor import changes_of_survivor

__all__ = ["ADDRESS_PARTS", "Patient", "decide", "evolve", "fold"]

OVERLAY = "overlay_suspected"
"""The reason of a flag where a record with one patient's external id describes another."""

TOLD_LIMIT = 128
"""So many drops are remembered as already told: all of one record, so that it is silent when it comes again. A stream
of ever new bad fields must not let the state grow."""


@sparse
@dataclass(frozen=True)
class Patient:
    """The fold of a patient's stream: JSON-native values only, stored as it is in the read model.

    possible_duplicates: other patient → `reason`, `evidence`, `flagged_at`. suspected_overlay: the same of the last
    one, and `offered`, `other_id`, `dismissed`. Where others are merged into this patient, facts and all that is like
    them are the golden record; `own`, `absorbed` and `chosen_external_ids` are what it is worked out from (see
    `golden_record`). A patient that is `merged_into` another one is as it was at that moment. Of one that was `erased`
    (`order`, `at`) nothing else is left.

    `identities` is no part of the state: as whom the patient is known, once that was worked out (see `known_as`).
    """

    __slots__ = ("__dict__", "identities")

    id: str
    organization_id: str
    created_at: str
    updated_at: str
    source: str
    version: int = 1
    facts: Mapping[str, str] = field(default_factory=dict)
    created_name: tuple[str | None, str | None] = (None, None)
    former_last_names: tuple[str, ...] = ()
    external_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    referrals: tuple[Mapping[str, Any], ...] = ()
    payors: tuple[Mapping[str, Any], ...] = ()
    first_communication_at: str | None = None
    refused_phone: str | None = None
    told_drops: tuple[tuple[str, str, str | None], ...] = ()
    possible_duplicates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    distinct_from: tuple[str, ...] = ()
    suspected_overlay: Mapping[str, Any] | None = None
    merged_into: str | None = None
    own: Mapping[str, Any] | None = None
    absorbed: tuple[Mapping[str, Any], ...] = ()
    chosen_external_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    erased: Mapping[str, str] | None = None

    @property
    def phone(self) -> str | None:
        """Return the phone number (E.164), if any."""
        return self.facts.get("phone_number")

    @property
    def phone_locked(self) -> bool:
        """Return whether the phone number may no longer be overwritten."""
        return self.first_communication_at is not None

    @property
    def communicated_at(self) -> str | None:
        """Return when this patient's own stream tells of a first communication, merged ones aside."""
        own = self.first_communication_at if self.own is None else self.own["first_communication_at"]
        return None if own is None else str(own)

    @property
    def unresolved_overlay(self) -> bool:
        """Return whether a record with the patient's external id described somebody else, and nobody has looked."""
        overlay = self.suspected_overlay
        if overlay is None or overlay["dismissed"]:
            return False
        return overlay["other_id"] is None or overlay["other_id"] in self.unresolved_duplicates

    @property
    def unresolved_duplicates(self) -> tuple[str, ...]:
        """Return the patients that may be the same person and that nobody has looked at yet."""
        done = {*self.distinct_from, *absorbed_ids(self.absorbed), self.merged_into}
        return tuple(other for other in self.possible_duplicates if other not in done)

    def external_id(self, type_id: str) -> str | None:
        """Return the current external id of this type."""
        held = self.external_ids.get(type_id)
        return None if held is None else held["value"]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Patient":
        """Return the state whose stored form (a JSON object) this is."""
        return made(cls, dict(stored))

    def changed(self, **changes: Any) -> "Patient":
        """Return a copy with these fields changed."""
        return made(Patient, put({**vars(self)}, changes))


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
    ids = (str(uuid5(UUID(patient.id), f"{kind}:{each}")) for each in count(place))
    return (child_id for child_id in ids if child_id not in taken)


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
        changes = changes_of_survivor(patient, event, at, _changes)
    else:
        changes = _changes(patient, event, at)
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


def _changes(patient: Patient, event: Event, at: str) -> dict[str, Any]:
    facts = patient.facts
    match event:  # what happens most stands first
        case PatientMatched():
            return {}
        case AddressChanged(new=new_parts):
            return {"facts": {**facts, **new_parts}}
        case ExternalIdAssigned(type_id=type_id, value=value):
            return {"external_ids": {**patient.external_ids, type_id: external_id_of(patient.id, type_id, value, at)}}
        case FactChanged(field_name=name, new=new):
            changes: dict[str, Any] = {"facts": {**facts, name: new}}
            former = facts.get("last_name")
            if name == "last_name" and former and former not in patient.former_last_names:
                changes["former_last_names"] = (*patient.former_last_names, former)
            return changes
        case PhoneChanged(new=new, extension=extension):
            kept = {name: value for name, value in facts.items() if name != "phone_extension"}
            own = {"phone_extension": extension} if extension else {}
            return {"facts": {**kept, "phone_number": new, **own}}
        case FieldDropped(field=name, reason=reason, offered=offered_text):
            others = tuple(each for each in patient.told_drops if each[0] != name)
            return {"told_drops": (*others, (name, reason, offered_text))[-TOLD_LIMIT:]}
        case PhoneLockRespected(offered=offered):
            return {"refused_phone": offered}
        case ExternalIdReplaced(type_id=type_id, new=new):
            held = {**patient.external_ids[type_id], "value": new, "updated_at": at}
            return {"external_ids": {**patient.external_ids, type_id: held}}
        case TagsReplaced(new=names):
            return {"tags": tuple(names)}
        case CustomFieldSet(name=name, new=new):
            return {"custom_fields": {**patient.custom_fields, name: new}}
        case ReferralAdded(referral_id=referral_id, referral=referral):
            added = {"id": referral_id, "created_at": at, "updated_at": at, "referral": referral}
            return {"referrals": (*patient.referrals, added)}
        case PayorAdded(payor_id=payor_id, payor=payor):
            first = {"id": payor_id, "created_at": at, "updated_at": at, "version": 1, "payor": payor}
            return {"payors": (*patient.payors, first)}
        case PayorChanged(payor_id=payor_id, new=values):
            return {"payors": tuple(_changed_payor(held, payor_id, values, at) for held in patient.payors)}
        case FirstCommunicationRecorded(occurred_at=occurred_at):
            return {"first_communication_at": occurred_at}
        case PossibleDuplicateFlagged(other_id=other_id, reason=reason, evidence=evidence):
            return {"possible_duplicates": _flagged(patient, other_id, reason, evidence, at)}
        case OverlaySuspected(other_id=overlaid, evidence=evidence):
            overlay = {**vars(event), "reason": OVERLAY, "flagged_at": at, "dismissed": False}
            flags = {} if overlaid is None else _flagged(patient, overlaid, OVERLAY, evidence, at)
            return {"suspected_overlay": overlay, "possible_duplicates": {**patient.possible_duplicates, **flags}}
        case OverlayDismissed() if patient.suspected_overlay is not None:
            return {"suspected_overlay": {**patient.suspected_overlay, "dismissed": True}}
        case DuplicateDismissed(other_id=other_id):
            return {"distinct_from": with_id(patient.distinct_from, other_id)}
        case PatientMergedInto(survivor_id=survivor_id):
            return {"merged_into": survivor_id}
        case PatientRestored(survivor_id=survivor_id):
            return {"merged_into": None, "distinct_from": with_id(patient.distinct_from, survivor_id)}
    return {}


def _flagged(patient: Patient, other_id: str, reason: str, evidence: Mapping[str, str], at: str) -> dict[str, Any]:
    """Return the flags with this one; what was told first of a pair stays."""
    return {other_id: {"reason": reason, "evidence": evidence, "flagged_at": at}, **patient.possible_duplicates}


def _changed_payor(held: Mapping[str, Any], payor_id: str, values: Mapping[str, Any], at: str) -> Mapping[str, Any]:
    if held["id"] != payor_id:
        return held
    return {**held, "payor": {**held["payor"], **values}, "updated_at": at, "version": held["version"] + 1}


def fold(entries: Iterable[tuple[Event, Envelope]]) -> Patient | None:
    """Return the state that these events leave; `None` for no events."""
    state: Patient | None = None
    for event, envelope in entries:
        state = evolve(state, event, envelope, in_place=True)
    return state
