"""What does an event mean for a patient into whom others are merged?

What it means for one alone, on the patient's own layer (see `golden_record`); then what shows is worked out again. So a
value that came from a merged patient turns into one's own when a later event changes it, and only then.
"""

from collections.abc import Mapping
from typing import Any

from domain.changes_alone import Changes, changes_alone
from domain.events import (
    Event,
    ExternalIdAssigned,
    ExternalIdReplaced,
    PatientMerged,
    PatientUnmerged,
    PayorChanged,
    TagsReplaced,
)
from domain.golden_record import IDENTITY, PARTS, Layer, alone, external_ids_beneath, golden_record, layered, with_id
from domain.patient_state import Patient


def changes_of_survivor(patient: Patient, event: Event, at: str) -> Changes:
    """Return what the event changes in the state. It is the first merge, or somebody is merged into the patient."""
    own = dict(patient.own or {name: getattr(patient, name) for name in PARTS})
    layers: tuple[Layer, ...] = tuple(patient.absorbed)
    chosen = dict(patient.chosen_external_ids)
    beside: Changes = {}
    match event:
        case PatientMerged():
            layers = layered(own, (*layers, {**_layer(event, at), "beside": _identity(own)}))
        case PatientUnmerged(other_id=other_id):
            layers = layered(own, (each for each in layers if each["id"] != other_id))
            own["distinct_from"] = with_id(own["distinct_from"], other_id)
            known = external_ids_beneath(layers)
            chosen = {kind: held for kind, held in chosen.items() if (kind, held["value"]) in known}
        case ExternalIdAssigned(type_id=type_id, value=value) | ExternalIdReplaced(type_id=type_id, new=value) if (
            type_id,
            value,
        ) in external_ids_beneath(layers):
            chosen[type_id] = {"value": value, "updated_at": at}
        case ExternalIdAssigned(type_id=type_id, value=value) | ExternalIdReplaced(type_id=type_id, new=value):
            chosen.pop(type_id, None)
            if own["external_ids"].get(type_id, {}).get("value") != value:
                beside = changes_alone(patient.changed(**own), _told_alone(own, type_id, value), at)
        case _:
            if isinstance(event, PayorChanged):
                own["payors"] = _with_adopted(own["payors"], patient.payors, event.payor_id)
            beside = changes_alone(patient.changed(**own), event, at)
    own.update({name: beside.pop(name) for name in PARTS if name in beside})
    if isinstance(event, TagsReplaced):
        layers = tuple({**layer, "tags": []} for layer in layers)
    if not layers:
        return {**beside, **alone(own), "own": None, "absorbed": (), "chosen_external_ids": {}}
    shown = golden_record(patient.id, own, layers, chosen)
    return {**beside, **shown, "own": own, "absorbed": layers, "chosen_external_ids": chosen}


def _identity(own: Mapping[str, Any]) -> dict[str, str]:
    return {name: own["facts"][name] for name in IDENTITY if name in own["facts"]}


def _layer(event: PatientMerged, at: str) -> Layer:
    told = {name: value for name, value in vars(event).items() if name not in {"other_id", "changes"}}
    return {**told, "id": event.other_id, "merged_at": at}


def _told_alone(own: Mapping[str, Any], type_id: str, value: str) -> Event:
    """Return the event as it would have been told if nobody were merged into the patient."""
    held = own["external_ids"].get(type_id)
    if held is None:
        return ExternalIdAssigned(type_id=type_id, value=value)
    return ExternalIdReplaced(type_id=type_id, old=held["value"], new=value)


def _with_adopted(own: Any, shown: Any, payor_id: str) -> Any:
    """Return one's own payors, with the one that is being changed."""
    if any(held["id"] == payor_id for held in own):
        return own
    return (*own, *(held for held in shown if held["id"] == payor_id))
