"""How is each event of an organization told, and what nobody can read? The docstring is how it reads."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from domain import events
from domain.entry import ErasedEvent, UnknownEvent
from projections.told import Change, Teller, Told, Value, from_to
from projections.wording import capital, label, who

_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _words(topic: str) -> str:
    return _CAPITALS.sub(" ", topic).lower()


def _created(event: events.OrganizationCreated, _teller: Teller) -> Told:
    """Organization Riverside Clinic created."""
    return Told("administered", ("Organization ", Value("name", event.name), " created."))


def _item_added(event: events.ReferenceItemAdded, _teller: Teller) -> Told:
    """Location added: Main Street."""
    changes = tuple(Change(field, None, value) for field, value in event.details.items())
    kind = _words(type(event).__name__.removesuffix("Added"))
    return Told("administered", (f"{capital(kind)} added: ", Value("name", event.name), "."), changes)


def _setting(event: events.SettingChanged, _teller: Teller) -> Told:
    """Setting region changed: US → CA."""
    parts = from_to(f"setting {label(event.setting)}", event.setting, event.old, event.new)
    return Told("administered", parts, (Change(event.setting, event.old, event.new),))


def _key_issued(event: events.ApiKeyIssued, _teller: Teller) -> Told:
    """API key “Acme” issued, ending in x4Yz. It may: patients:read, patients:write."""
    may = ", ".join(event.scopes) or "nothing"
    return Told("administered", (f"API key “{event.name}” issued, ending in {event.last_four}. It may: {may}.",))


def _key_rotated(event: events.ApiKeyRotated, teller: Teller) -> Told:
    """API key “Acme” has a successor and is refused from 4 May 2024, 14:02 on."""
    name = who(f"key:{event.key_id}", teller.organization)
    return Told(
        "administered",
        (f"API key “{name}” has a successor and is refused from ", Value("expires_at", event.expires_at), " on."),
    )


def _key_revoked(event: events.ApiKeyRevoked, teller: Teller) -> Told:
    """API key “Acme” revoked."""
    return Told("administered", (f"API key “{who(f'key:{event.key_id}', teller.organization)}” revoked.",))


def _erased(event: ErasedEvent, _teller: Teller) -> Told:
    """Content erased by order. This was “phone changed”."""
    why = "The content was removed for good. That something stood here, when, and from whom, is kept and proven."
    return Told("erased", (f"Content erased by order. This was “{_words(event.topic)}”.",), why=why)


def _patient_erased(event: events.PatientErased, _teller: Teller) -> Told:
    """Everything that was known of this patient was erased by order: #77."""
    why = "The law or the clinic asked for it. The proofs of everything else in the ledger stay valid."
    return Told("erased", (f"Everything that was known of this patient was erased by order: {event.order}.",), why=why)


def _unknown(event: UnknownEvent, _teller: Teller) -> Told:
    """PetAdopted: written by a newer version of this program."""
    return Told("unknown", (f"{event.topic}: written by a newer version of this program.",))


SENTENCES: Mapping[type[events.Event], Callable[[Any, Teller], Told]] = {
    events.OrganizationCreated: _created,
    **dict.fromkeys(events.ReferenceItemAdded.__subclasses__(), _item_added),
    events.SettingChanged: _setting,
    events.ApiKeyIssued: _key_issued,
    events.ApiKeyRotated: _key_rotated,
    events.ApiKeyRevoked: _key_revoked,
    events.PatientErased: _patient_erased,
    ErasedEvent: _erased,
    UnknownEvent: _unknown,
}
