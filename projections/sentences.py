"""How is each event of a patient told? One function an event; its docstring is how it reads."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from domain import events
from domain.dropped import MORE, Reason
from domain.golden_record import ADDRESS_PARTS
from projections.told import (
    TO,
    Change,
    OtherPatient,
    Part,
    Teller,
    Told,
    Value,
    between,
    from_to,
    id_type,
    named,
)
from projections.wording import CHANNELS, TIERS, capital, doubt, evidence, label, listed

EXPLANATIONS = {reason.value: reason.explanation for reason in Reason}

# ---- how a record was placed


def _created(event: events.PatientCreated, _teller: Teller) -> Told:
    """New patient: Ann Lopez, born 1 Mar 1980, phone (212) 555-0142. Matched with nobody on file."""
    facts = event.facts
    name = " ".join(facts[part] for part in ("first_name", "last_name") if part in facts)
    parts: list[Part] = ["New patient"]
    if name:
        parts += [": ", Value("full_name", name)]
    for field, words in (("date_of_birth", ", born "), ("phone_number", ", phone ")):
        if field in facts:
            parts += [words, Value(field, facts[field])]
    parts.append(". Matched with nobody on file.")
    changes = tuple(Change(field, None, value) for field, value in facts.items())
    whole = ("address",) if any(part in facts for part in ADDRESS_PARTS) else ()
    why = (
        "A record is taken for a known patient only if exactly one has this external id, this name and birth date, or "
        "a fitting name at this phone or email. Here nobody had, several had, or something else spoke against it."
    )
    return Told("created", tuple(parts), changes, whole, why)


def _matched(event: events.PatientMatched, _teller: Teller) -> Told:
    """Recognised by name and date of birth: same first name, last name and date of birth; different phone."""
    words = evidence({field: word for field, word in event.evidence.items() if word})
    parts: list[Part] = [f"Recognised by {TIERS.get(event.tier, event.tier)}", f": {words}." if words else "."]
    if event.rivals:
        near = "One other patient was" if len(event.rivals) == 1 else f"{len(event.rivals)} other patients were"
        parts.append(f" {near} considered: ")
        for place, rival in enumerate(event.rivals):
            reason = str(rival.get("reason") or "less_evidence")
            parts += ["; " if place else "", OtherPatient(str(rival.get("patient_id"))), f" ({doubt(reason)})"]
        parts.append(".")
    why = (
        "A record is looked up by external id, then by name and date of birth, then by phone and by email with a "
        "fitting name. The first of these that leaves exactly one patient decides."
    )
    return Told("matched", tuple(parts), fields=tuple(event.evidence), why=why)


def _possible_duplicate(event: events.PossibleDuplicateFlagged, _teller: Teller) -> Told:
    """Possible duplicate of patient 0192…: several fit equally well (same phone, similar last name)."""
    words = evidence(event.evidence)
    reason = doubt(event.reason)
    parts = ("Possible duplicate of ", OtherPatient(event.other_id), f": {reason}", f" ({words})." if words else ".")
    why = "The two look like one person, but not surely enough to join them without somebody looking."
    return Told("flagged", parts, fields=("possible_duplicate",), why=why)


def _overlay(event: events.OverlaySuspected, _teller: Teller) -> Told:
    """Possible mix-up: a record with this patient's external id describes somebody else (other first name)."""
    changes = tuple(Change(field, event.held.get(field), new) for field, new in event.offered.items())
    different = [label(change.field) for change in changes if change.old != change.new]
    parts: list[Part] = ["Possible mix-up: a record with this patient's external id describes somebody else"]
    if different:
        parts.append(f" (other {listed(different)})")
    if event.other_id:
        parts += ["; it fits ", OtherPatient(event.other_id)]
    parts.append(".")
    why = "An external id that moves to another person would mix two charts. Somebody should look before relying on it."
    return Told("flagged", tuple(parts), changes, ("overlay",), why)


# ---- review


def _dismissed(event: events.DuplicateDismissed, _teller: Teller) -> Told:
    """Not the same person as patient 0192…."""
    why = "Somebody looked at the two and found two people. They are not flagged as possible duplicates again."
    parts = ("Not the same person as ", OtherPatient(event.other_id), ".")
    return Told("reviewed", parts, fields=("possible_duplicate",), why=why)


def _overlay_dismissed(_event: events.OverlayDismissed, _teller: Teller) -> Told:
    """Looked at: one person, no mix-up."""
    why = "Somebody compared the record that described somebody else with this chart, and found one person."
    return Told("reviewed", ("Looked at: one person, no mix-up.",), fields=("overlay",), why=why)


def _merged(event: events.PatientMerged, teller: Teller) -> Told:
    """Merged with patient 0192…: the same person. Taken over from there: email, date of birth, 1 insurance."""
    changes = _review_changes(event.changes)
    told = [*_review_words(event.changes, teller)]
    end = f". Taken over from there: {listed(told)}." if told else ". Nothing was taken over from there."
    why = (
        "One person had two charts. What stood here stays; blanks are filled from the other chart, which stays as it "
        "was. Whatever is sent for the other patient lands here from now on. This can be undone."
    )
    parts = ("Merged with ", OtherPatient(event.other_id), ": the same person", end)
    return Told("reviewed", parts, changes, ("possible_duplicate",), why)


def _merged_into(event: events.PatientMergedInto, _teller: Teller) -> Told:
    """The same person as patient 0192…, and merged into it."""
    why = "One person had two charts. Whatever is sent for this one lands in the other from now on. This can be undone."
    parts = ("The same person as ", OtherPatient(event.survivor_id), ", and merged into it.")
    return Told("reviewed", parts, fields=("possible_duplicate",), why=why)


def _unmerged(event: events.PatientUnmerged, teller: Teller) -> Told:
    """Separated from patient 0192… again: another person. Gone back: email, date of birth."""
    changes = _review_changes(event.changes)
    told = [*_review_words(event.changes, teller)]
    end = f". Gone back: {listed(told)}." if told else "."
    why = "What had come from the other chart went back, except where a later record had changed it here."
    parts = ("Separated from ", OtherPatient(event.other_id), " again: another person", end)
    return Told("reviewed", parts, changes, ("possible_duplicate",), why)


def _restored(event: events.PatientRestored, _teller: Teller) -> Told:
    """Separated from patient 0192… again: another person."""
    why = "This chart is again what it was before the two were merged."
    parts = ("Separated from ", OtherPatient(event.survivor_id), " again: another person.")
    return Told("reviewed", parts, fields=("possible_duplicate",), why=why)


_COUNTED = {"payors": ("insurance", "insurances"), "referrals": ("referral", "referrals")}


def _review_changes(told: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the changes of a merge; an external id stands there as `external_id.TYPE`."""
    changes = []
    for name, (old, new) in told.items():
        field, _, item = name.partition(".")
        changes.append(Change("external_id", old, new, item) if field == "external_id" else Change(name, old, new))
    return tuple(changes)


def _review_words(told: Mapping[str, Any], teller: Teller) -> Iterator[str]:
    for name, (old, new) in told.items():
        field, _, item = name.partition(".")
        if field in _COUNTED:
            number = abs(new - old)
            yield f"{number} {_COUNTED[field][number != 1]}"
        else:
            own = {"external_id": id_type(item, teller.organization), "custom_fields": f"“{item}”"}
            yield own.get(field) or label(item or field)


# ---- facts


def _fact(event: events.FactChanged, teller: Teller) -> Told:
    """Last name changed: Lopez → Garcia."""
    field = event.field_name
    old, new = named(field, event.old, teller.organization), named(field, event.new, teller.organization)
    return Told("changed", from_to(label(field), field, old, new), (Change(field, event.old, event.new),))


def _phone(event: events.PhoneChanged, _teller: Teller) -> Told:
    """Phone changed: (212) 555-0142 → (212) 555-0143."""
    new = f"{event.new} x{event.extension}" if event.extension else event.new
    return Told(
        "changed",
        from_to("phone", "phone_number", event.old, new),
        (Change("phone_number", event.old, event.new),),
        ("phone_extension",),  # it is overwritten too; the event does not hold what it was
    )


def _phone_kept(event: events.PhoneLockRespected, teller: Teller) -> Told:
    """Phone kept: Acme sent (212) 555-0143; (212) 555-0142 has been locked since the first text on 4 May 2024."""
    sent = f"{teller.sender} sent " if teller.sender else "the record offered "
    parts: list[Part] = ["Phone kept: ", sent, Value("phone_number", event.offered), "; "]
    parts += [Value("phone_number", event.kept), " has been locked since the first "]
    if teller.lock is None:
        parts.append("contact with the patient.")
    else:
        channel = CHANNELS.get(teller.lock.channel, teller.lock.channel)
        parts += [f"{channel} on ", Value("first_communication_on", teller.lock.occurred_at), "."]
    why = (
        "Once the clinic and the patient have been in touch, partners can no longer overwrite the phone number: "
        "it is known to work. The number that was offered is kept here, so that staff can ask the patient."
    )
    return Told("kept", tuple(parts), fields=("phone_number",), why=why)


def _address(event: events.AddressChanged, _teller: Teller) -> Told:
    """Address changed: 12 Main St, Springfield → 5 Oak Ave, Shelbyville."""
    changes = tuple(Change(part, event.old.get(part), new) for part, new in event.new.items())
    before = ", ".join(value for part in ADDRESS_PARTS if (value := event.old.get(part)))
    after = ", ".join(event.new[part] for part in ADDRESS_PARTS if part in event.new)
    return Told("changed", from_to("address", "address", before or None, after), changes, ("address",))


def _tags(event: events.TagsReplaced, _teller: Teller) -> Told:
    """Tags: added vip; removed new."""
    parts: list[Part] = []
    added = [name for name in event.new if name not in event.old]
    removed = [name for name in event.old if name not in event.new]
    for words, names, role in (("added ", added, "new"), ("removed ", removed, "old")):
        if names:
            parts += ["; " if parts else "Tags: ", words, Value("tags", names, role)]
    parts.append("." if parts else "Tags put in another order.")
    return Told("changed", tuple(parts), (Change("tags", event.old, event.new),))


def _custom_field(event: events.CustomFieldSet, _teller: Teller) -> Told:
    """“preferred_language” set: es."""
    field = f"custom_fields.{event.name}"
    change = Change(field, event.old, event.new)
    return Told("changed", from_to(f"“{event.name}”", field, event.old, event.new), (change,))


def _dropped(event: events.FieldDropped, teller: Teller) -> Told:
    """Date of birth ignored: Acme sent “31/02/1980”. The calendar has no such day, or the day no such time."""
    reason = EXPLANATIONS.get(event.reason, f"{capital(event.reason.replace('_', ' '))}.")
    parts: list[Part] = []
    if event.field == MORE:
        parts.append("More ignored than is listed")
    else:
        unknown = event.reason == Reason.UNKNOWN_FIELD  # whatever it resembles, it is told as it was sent
        parts.append(f"“{event.field}” ignored" if unknown else f"{capital(label(event.field))} ignored")
        if event.offered is not None:
            sent = f"{teller.sender} sent " if teller.sender else "the record said "
            parts += [": ", sent, "“", Value(f"offered.{event.field}", event.offered), "”"]
    parts.append(f". {reason}")
    why = (
        "A value that cannot be used is left out, and told here and to the sender. The rest of the record counts, and "
        "what was on file before stays."
    )
    return Told("dropped", tuple(parts), fields=(event.field,), why=why)


# ---- external ids


def _external_id_assigned(event: events.ExternalIdAssigned, teller: Teller) -> Told:
    """MRN assigned: A-1001."""
    parts = (f"{id_type(event.type_id, teller.organization)} assigned: ", Value("external_id", event.value, "new"), ".")
    return Told("linked", parts, (Change("external_id", None, event.value, event.type_id),))


def _external_id_replaced(event: events.ExternalIdReplaced, teller: Teller) -> Told:
    """MRN replaced: A-1001 → A-2002."""
    old, new = Value("external_id", event.old, "old"), Value("external_id", event.new, "new")
    parts = (f"{id_type(event.type_id, teller.organization)} replaced: ", old, TO, new, ".")
    why = (
        "A patient carries one external id of each type. The record was recognised as this patient's by other "
        "evidence and brought another id; the new one counts from here on."
    )
    return Told("linked", parts, (Change("external_id", event.old, event.new, event.type_id),), why=why)


# ---- referrals and payors


def _referral(event: events.ReferralAdded, _teller: Teller) -> Told:
    """Referral added: Dr. Maria Ruiz, Hudson Orthopedics."""
    shown = [
        Value(f"referral.{field}", event.referral[field], "new")
        for field in ("physician_name", "physician_group")
        if event.referral.get(field)
    ]
    changes = tuple(
        Change(f"referral.{name}", None, value, event.referral_id) for name, value in event.referral.items()
    )
    return Told("changed", ("Referral added", ": " if shown else "", *between(shown, ", "), "."), changes)


def _payor_added(event: events.PayorAdded, teller: Teller) -> Told:
    """Insurance added: Aetna, Choice Plus, primary, XYZ123."""
    shown = [
        Value(f"payors.{field}", named(field, event.payor[field], teller.organization), "new")
        for field in ("insurance_id", "plan_name", "payor_responsibility", "insured_member_id")
        if event.payor.get(field)
    ]
    changes = tuple(Change(f"payors.{field}", None, value, event.payor_id) for field, value in event.payor.items())
    return Told("changed", ("Insurance added", ": " if shown else "", *between(shown, ", "), "."), changes)


def _payor_changed(event: events.PayorChanged, teller: Teller) -> Told:
    """Insurance changed: plan name Choice → Choice Plus."""
    changes = tuple(
        Change(f"payors.{name}", event.old.get(name), new, event.payor_id) for name, new in event.new.items()
    )
    parts: list[Part] = ["Insurance changed: "]
    if len(changes) > 3 or any(isinstance(change.new, Mapping | list) for change in changes):
        return Told("changed", ("Insurance changed: ", f"{listed(label(name) for name in event.new)}."), changes)
    for place, (name, change) in enumerate(zip(event.new, changes, strict=True)):
        old, new = (named(name, value, teller.organization) for value in (change.old, change.new))
        before: list[Part] = [] if old is None else [Value(change.field, old, "old"), TO]
        parts += ["; " if place else "", f"{label(name)} ", *before, Value(change.field, new, "new")]
    return Told("changed", (*parts, "."), changes)


# ---- communication


def _communication(event: events.FirstCommunicationRecorded, _teller: Teller) -> Told:
    """First text to the patient, on 4 May 2024. From now on partners cannot overwrite the phone."""
    channel = CHANNELS.get(event.channel, event.channel)
    way = {"inbound": "from", "outbound": "to"}.get(event.direction, "with")
    on = Value("first_communication_on", event.occurred_at)
    parts = (f"First {channel} {way} the patient, on ", on, ". From now on partners cannot overwrite the phone.")
    return Told("communicated", parts, (Change("first_communication_at", None, event.occurred_at),))


SENTENCES: Mapping[type[events.Event], Callable[[Any, Teller], Told]] = {
    events.PatientCreated: _created,
    events.PatientMatched: _matched,
    events.PossibleDuplicateFlagged: _possible_duplicate,
    events.OverlaySuspected: _overlay,
    events.DuplicateDismissed: _dismissed,
    events.OverlayDismissed: _overlay_dismissed,
    events.PatientMerged: _merged,
    events.PatientMergedInto: _merged_into,
    events.PatientUnmerged: _unmerged,
    events.PatientRestored: _restored,
    **dict.fromkeys(events.FACT_EVENTS.values(), _fact),
    events.PhoneChanged: _phone,
    events.PhoneLockRespected: _phone_kept,
    events.AddressChanged: _address,
    events.TagsReplaced: _tags,
    events.CustomFieldSet: _custom_field,
    events.FieldDropped: _dropped,
    events.ExternalIdAssigned: _external_id_assigned,
    events.ExternalIdReplaced: _external_id_replaced,
    events.ReferralAdded: _referral,
    events.PayorAdded: _payor_added,
    events.PayorChanged: _payor_changed,
    events.FirstCommunicationRecorded: _communication,
}
