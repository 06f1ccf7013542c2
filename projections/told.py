"""What is an entry, told? Its kind, its sentence in parts, and the changes it stands for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from domain.events import FirstCommunicationRecorded
from domain.organization import Organization
from projections.wording import PLAIN, Display, capital

KINDS = (
    "created",
    "matched",
    "changed",
    "kept",
    "dropped",
    "linked",
    "flagged",
    "reviewed",
    "communicated",
    "administered",
    "erased",
    "unknown",
)
"""What a filter by kind can ask for."""

TO = " → "
"""Stands between old and new; who cannot see it is told "to"."""


@dataclass(frozen=True)
class Change:
    """One field, before and after, as stored. `item`: the external id type, payor or referral it belongs to."""

    field: str
    old: Any
    new: Any
    item: str | None = None


@dataclass(frozen=True)
class Value:
    """A value within a sentence; `role` is "old", "new" or "" (kept, offered, named)."""

    field: str
    value: Any
    role: str = ""


@dataclass(frozen=True)
class OtherPatient:
    """Another patient that a sentence points at."""

    id: str


Part = str | Value | OtherPatient


@dataclass(frozen=True)
class Told:
    """What the History shows of one entry. `why` is the rule behind it, where somebody would ask."""

    kind: str
    parts: tuple[Part, ...]
    changes: tuple[Change, ...] = ()
    fields: tuple[str, ...] = ()
    why: str | None = None

    @property
    def sentence(self) -> str:
        """Return the sentence with every value readable."""
        return self.say(PLAIN)

    def say(self, display: Display) -> str:
        """Return the sentence with its values as `display` shows them."""
        return "".join(say_part(part, display) for part in self.parts)

    def concerns(self, field: str, item: str | None = None) -> bool:
        """Return whether the entry is about this field, or a part of it (of this item)."""
        changes = (change for change in self.changes if item is None or change.item == item)
        named = {change.field for change in changes} | (set(self.fields) if item is None else set())
        return any(name == field or name.startswith(f"{field}.") for name in named)


@dataclass(frozen=True)
class Teller:
    """What a sentence needs besides the event.

    organization: gives names to the ids it points at. sender: who sent the record. lock: the first communication.
    """

    organization: Organization | None = None
    sender: str | None = None
    lock: FirstCommunicationRecorded | None = None


def say_part(part: Part, display: Display) -> str:
    """Return a part of a sentence as text."""
    match part:
        case Value(field=field, value=value):
            return display.value(field, value)
        case OtherPatient(id=patient_id):
            return f"patient {patient_id}"
    return part


def from_to(name: str, field: str, old: Any, new: Any, end: str = ".") -> tuple[Part, ...]:
    """Return the parts of "Name changed: old → new." or, where there was nothing, "Name set: new."."""
    end = "" if str(new).endswith(end or " ") else end
    if old is None:
        return (f"{capital(name)} set: ", Value(field, new, "new"), end)
    return (f"{capital(name)} changed: ", Value(field, old, "old"), TO, Value(field, new, "new"), end)


def between(parts: Iterable[Part], comma: str) -> list[Part]:
    """Return the parts with `comma` between them."""
    apart: list[Part] = []
    for part in parts:
        apart += [comma, part] if apart else [part]
    return apart


_REFERENCES = {
    "workflow_stage_id": "workflow_stages",
    "assigned_user_id": "users",
    "location_id": "locations",
    "insurance_id": "insurances",
    "carve_out_insurer_id": "insurances",
}


def named(field: str, value: Any, organization: Organization | None) -> Any:
    """Return the name behind an id of the organization's reference data, or the value itself."""
    collection = _REFERENCES.get(field.rpartition(".")[2])
    if organization is None or collection is None or value is None:
        return value
    item = getattr(organization, collection).get(value)
    return value if item is None else item["name"]


def id_type(type_id: str, organization: Organization | None) -> str:
    """Return the name of an external id type."""
    known = {} if organization is None else organization.external_id_types
    return str(known[type_id]["name"]) if type_id in known else "External id"
