"""What happened, in words? Entry → what the History shows: kind, fields, old and new, one plain sentence. Pure."""

from dataclasses import dataclass
from typing import Any

from domain import events
from domain.entry import Entry, ErasedEvent, UnknownEvent, instant
from domain.organization import Organization

LABELS = {
    "date_of_birth": "date of birth",
    "phone_number": "phone",
    "additional_phone_number": "additional phone",
    "address2": "address line 2",
    "workflow_stage_id": "workflow stage",
    "assigned_user_id": "assigned user",
    "location_id": "location",
}

TIERS = {
    "external_id": "by its external id",
    "demographics": "by name and date of birth",
    "phone_fuzzy_name": "by phone and name",
    "email_fuzzy_name": "by email and name",
}

KINDS = (
    "created",
    "matched",
    "changed",
    "kept",
    "dropped",
    "linked",
    "flagged",
    "communicated",
    "erased",
    "unknown",
)
"""What a filter by kind can ask for."""


@dataclass(frozen=True)
class Change:
    """One field, before and after."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Told:
    """What the History shows of one entry."""

    kind: str
    sentence: str
    changes: tuple[Change, ...] = ()
    fields: tuple[str, ...] = ()

    def concerns(self, field: str) -> bool:
        """Return whether the entry is about this field, or a part of it."""
        named = {change.field for change in self.changes} | set(self.fields)
        return any(name == field or name.startswith(f"{field}.") for name in named)


def label(field: str) -> str:
    """Return a field's name as people say it."""
    return LABELS.get(field, field.replace("_", " "))


def tell(event: events.Event, organization: Organization | None = None) -> Told:
    """Return kind, sentence and changes of an event. `organization` gives names to the ids it points at."""
    match event:
        case events.PatientCreated(facts=facts):
            changes = tuple(Change(name, None, value) for name, value in facts.items())
            return Told("created", "Patient created from the first record.", changes)
        case events.PatientMatched(tier=tier, evidence=evidence, rivals=rivals):
            found = TIERS.get(tier, tier)
            others = f"; {len(rivals)} other candidate{'s' * (len(rivals) > 1)} considered" if rivals else ""
            agreed = ", ".join(f"{label(name)} {word}" for name, word in evidence.items())
            return Told("matched", f"Record matched {found} ({agreed}){others}.", fields=tuple(evidence))
        case events.PossibleDuplicateFlagged(other_id=other, reason=reason):
            return Told("flagged", f"May be the same person as patient {other}: {reason.replace('_', ' ')}.")
        case events.OverlaySuspected(held=held, offered=offered):
            changes = tuple(Change(name, held.get(name), new) for name, new in offered.items())
            return Told("flagged", "A record with this external id describes somebody else.", changes)
        case events.FactChanged(field_name=name, old=old, new=new):
            shown_old, shown_new = _named(name, old, organization), _named(name, new, organization)
            return Told("changed", _changed(label(name), shown_old, shown_new), (Change(name, old, new),))
        case events.PhoneChanged(old=old, new=new, extension=extension):
            shown = f"{new} extension {extension}" if extension else new
            return Told("changed", _changed("phone", old, shown), (Change("phone_number", old, new),))
        case events.PhoneLockRespected(kept=kept, offered=offered):
            sentence = f"Phone kept: {offered} was offered; {kept} is locked since the first communication."
            return Told("kept", sentence, fields=("phone_number",))
        case events.AddressChanged(old=old_parts, new=new_parts):
            changes = tuple(Change(part, old_parts.get(part), value) for part, value in new_parts.items())
            before = ", ".join(value for value in old_parts.values() if value)
            return Told("changed", _changed("address", before or None, ", ".join(new_parts.values())), changes)
        case events.TagsReplaced(old=old, new=new):
            shown = _changed("tags", ", ".join(old) or None, ", ".join(new) or "none")
            return Told("changed", shown, (Change("tags", old, new),))
        case events.CustomFieldSet(name=name, old=old, new=new):
            return Told("changed", _changed(name, old, new), (Change(f"custom_fields.{name}", old, new),))
        case events.FieldDropped(field=name, reason=reason):
            return Told("dropped", f"{label(name).capitalize()} ignored: {reason.replace('_', ' ')}.", fields=(name,))
        case events.ExternalIdAssigned(type_id=type_id, value=value):
            kind = _kind(type_id, organization)
            return Told("linked", f"{kind} {value} assigned.", (Change("external_id", None, value),))
        case events.ExternalIdReplaced(type_id=type_id, old=old, new=new):
            kind = _kind(type_id, organization)
            return Told("linked", f"{kind} replaced: {old} → {new}.", (Change("external_id", old, new),))
        case events.ReferralAdded(referral=referral):
            who = referral.get("physician_name")
            return Told(
                "changed",
                f"Referral added{f' by {who}' if who else ''}.",
                (Change("referral", None, referral),),
            )
        case events.PayorAdded(payor=payor):
            plan = payor.get("plan_name")
            return Told("changed", f"Payor added{f': {plan}' if plan else ''}.", (Change("payors", None, payor),))
        case events.PayorChanged(old=old_values, new=new_values):
            changes = tuple(Change(f"payors.{name}", old_values.get(name), new) for name, new in new_values.items())
            return Told("changed", f"Payor changed: {', '.join(map(label, new_values))}.", changes)
        case events.FirstCommunicationRecorded(channel=channel, direction=direction, occurred_at=at):
            sentence = f"First communication ({direction} {channel}) on {at[:10]}; the phone is locked from now on."
            return Told("communicated", sentence, (Change("first_communication_at", None, at),))
        case ErasedEvent(topic=topic):
            return Told("erased", f"{topic}: content erased by order.")
        case UnknownEvent(topic=topic):
            return Told("unknown", f"{topic}: an event of a newer version of this program.")
    return Told("changed", f"{type(event).__name__}.")


def _changed(name: str, old: Any, new: Any) -> str:
    if old is None:
        return f"{name.capitalize()} set to {new}."
    return f"{name.capitalize()} changed: {old} → {new}."


def _kind(type_id: str, organization: Organization | None) -> str:
    known = {} if organization is None else organization.external_id_types
    return known[type_id]["name"] if type_id in known else "External id"


def _named(field: str, value: str | None, organization: Organization | None) -> str | None:
    """Return the name behind an id of the organization's reference data, or the value itself."""
    if organization is None or value is None:
        return value
    collection = {
        "workflow_stage_id": organization.workflow_stages,
        "assigned_user_id": organization.users,
        "location_id": organization.locations,
    }.get(field, {})
    return collection[value]["name"] if value in collection else value


def history_item(entry: Entry, organization: Organization | None = None) -> dict[str, Any]:
    """Return an entry as the History's JSON shows it."""
    told = tell(entry.event, organization)
    return {
        "version": entry.originator_version,
        "position": entry.position,
        "event": entry.topic,
        "kind": told.kind,
        "sentence": told.sentence,
        "changes": [{"field": each.field, "old": each.old, "new": each.new} for each in told.changes],
        "recorded_at": instant(entry.recorded_at),
        "source": entry.source,
        "actor": entry.actor,
        "request_id": entry.request_id,
        "data": vars(entry.event),
    }
