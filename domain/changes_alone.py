"""What does an event mean for a patient alone, into whom nobody is merged? For all others see `survivor`."""

from collections.abc import Mapping
from typing import Any

from domain.events import (
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
    PatientMatched,
    PatientMergedInto,
    PatientRestored,
    PayorAdded,
    PayorChanged,
    PhoneChanged,
    PhoneLockRespected,
    PossibleDuplicateFlagged,
    ReferralAdded,
    TagsReplaced,
)
from domain.golden_record import external_id_of, with_id
from domain.patient_state import Patient

Changes = dict[str, Any]
"""Field of the state → its new value."""

OVERLAY = "overlay_suspected"
"""The reason of a flag where a record with one patient's external id describes another."""

TOLD_LIMIT = 128
"""So many drops are remembered as already told: all of one record, so that it is silent when it comes again. A stream
of ever new bad fields must not let the state grow."""


def changes_alone(patient: Patient, event: Event, at: str) -> Changes:
    """Return what the event, recorded `at` this instant, changes in the state."""
    facts = patient.facts
    match event:  # what happens most stands first
        case PatientMatched():
            return {}
        case AddressChanged(new=new_parts):
            return {"facts": {**facts, **new_parts}}
        case ExternalIdAssigned(type_id=type_id, value=value):
            return {"external_ids": {**patient.external_ids, type_id: external_id_of(patient.id, type_id, value, at)}}
        case FactChanged(field_name=name, new=new):
            changes: Changes = {"facts": {**facts, name: new}}
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
