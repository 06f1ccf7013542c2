"""How is a history told in FHIR R4? A Bundle of Provenance (what changed the patient) and AuditEvent (what did not).

Provenance: https://hl7.org/fhir/R4/provenance.html · AuditEvent: https://hl7.org/fhir/R4/auditevent.html. Pure.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID, uuid5

import orjson

from domain.entry import Entry, instant
from domain.events import FirstCommunicationRecorded
from domain.organization import Organization
from projections.exports import value_text
from projections.history import Told, tell_entry
from projections.wording import Display, who

CHANGES = frozenset({"created", "changed", "linked", "communicated", "erased"})
"""Kinds that are told as Provenance; the others changed nothing about the patient, and are AuditEvents."""

_TERMS = "http://terminology.hl7.org/CodeSystem/"
_OPERATIONS = f"{_TERMS}v3-DataOperation"
_AGENTS = f"{_TERMS}provenance-participant-type"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_OWN = "urn:patient-ledger:"


def to_bundle(
    entries: Iterable[Entry],
    organization: Organization,
    display: Display,
    lock: FirstCommunicationRecorded | None,
    *,
    made_at: str,
) -> Iterator[bytes]:
    """Yield a Bundle of type collection, entry by entry, so that a long history needs no memory."""
    yield orjson.dumps({"resourceType": "Bundle", "type": "collection", "timestamp": made_at})[:-1] + b',"entry":['
    for place, entry in enumerate(entries):
        told = tell_entry(entry, organization, lock)
        changed = told.kind in CHANGES or (told.kind == "reviewed" and told.changes)  # by a merge, or by its end
        make = _provenance if changed else _audit_event
        resource_id = str(uuid5(UUID(str(entry.originator_id)), str(entry.originator_version)))
        resource = {"id": resource_id, **make(entry, told, organization, display)}
        item = {"fullUrl": f"urn:uuid:{resource_id}", "resource": resource}
        yield (b"," if place else b"") + orjson.dumps(item)
    yield b"]}"


def _provenance(entry: Entry, told: Told, organization: Organization, display: Display) -> dict[str, Any]:
    created = told.kind == "created"
    erased = told.kind == "erased"
    operation = ("CREATE", "create") if created else ("NULLIFY", "nullify") if erased else ("UPDATE", "revise")
    return {
        "resourceType": "Provenance",
        "text": _narrative(told.say(display)),
        "extension": [_change(each.field, each.old, each.new, organization, display) for each in told.changes]
        or [{"url": f"{_OWN}event", "valueString": entry.topic}],
        "target": [{"reference": f"Patient/{entry.originator_id}/_history/{entry.originator_version}"}],
        "recorded": instant(entry.recorded_at),
        "activity": {"coding": [{"system": _OPERATIONS, "code": operation[0], "display": operation[1]}]},
        "agent": [
            {
                "type": {"coding": [{"system": _AGENTS, "code": "enterer", "display": "Enterer"}]},
                "who": _who(entry, organization),
                "onBehalfOf": {"identifier": {"value": organization.id}, "display": organization.name},
            }
        ],
        "entity": [{"role": "source", "what": _request(entry)}],
    }


def _audit_event(entry: Entry, told: Told, organization: Organization, display: Display) -> dict[str, Any]:
    details = [{"type": "source", "valueString": entry.source}, {"type": "event", "valueString": entry.topic}]
    details += [{"type": "field", "valueString": field} for field in told.fields]
    return {
        "resourceType": "AuditEvent",
        "text": _narrative(told.say(display)),
        "type": {"system": _DICOM, "code": "110110", "display": "Patient Record"},
        "subtype": [{"system": f"{_OWN}kind", "code": told.kind}],
        "action": "R" if told.kind == "matched" else "E",
        "recorded": instant(entry.recorded_at),
        "outcome": "4" if told.kind in ("kept", "dropped") else "0",
        "outcomeDesc": told.say(display),
        "agent": [{"who": _who(entry, organization), "requestor": True}],
        "source": {
            "site": organization.name,
            "observer": {"identifier": {"value": "patient-ledger"}, "display": "Patient ledger"},
            "type": [{"system": f"{_TERMS}security-source-type", "code": "4", "display": "Application Server"}],
        },
        "entity": [
            {
                "what": {"reference": f"Patient/{entry.originator_id}"},
                "type": {"system": f"{_TERMS}audit-entity-type", "code": "1", "display": "Person"},
                "role": {"system": f"{_TERMS}object-role", "code": "1", "display": "Patient"},
                "detail": details,
            },
            {
                "what": _request(entry),
                "type": {"system": f"{_TERMS}audit-entity-type", "code": "2", "display": "System Object"},
            },
        ],
    }


def _who(entry: Entry, organization: Organization) -> dict[str, Any]:
    identifier = {"system": f"{_OWN}actor", "value": entry.actor}
    return {"identifier": identifier, "display": who(entry.actor, organization)}


def _request(entry: Entry) -> dict[str, Any]:
    return {
        "identifier": {"system": f"{_OWN}request", "value": entry.request_id},
        "display": f"Request ({entry.source})",
    }


def _change(field: str, old: Any, new: Any, organization: Organization, display: Display) -> dict[str, Any]:
    told = [("field", field)]
    told += [
        (name, text)
        for name, value in (("old", old), ("new", new))
        if (text := value_text(field, value, organization, display))
    ]
    return {
        "url": f"{_OWN}change",
        "extension": [{"url": name, "valueString": text} for name, text in told],
    }


def _narrative(sentence: str) -> dict[str, str]:
    escaped = sentence.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{escaped}</div>'}
