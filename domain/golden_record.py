"""Which values does a patient show into whom others are merged? The golden record: pure survivorship.

Such a patient has layers: its *own* values, told by its own stream, and beneath them one layer for each patient merged
into it, oldest first. What shows is worked out from the layers, so taking one away leaves exactly what would have been
there without it, whatever happened since.

- A fact: one's own value stands; a blank is filled by the first layer that has it. A phone comes with its extension.
- The address is filled only by a layer that contradicts no part of it: half of two addresses is a third one.
- External ids: of a type that is one's own, one's own; all ids of all layers find the patient.
- Tags, referrals, flags and dismissals are united, custom fields by name. Payors are united by their key, and the
  blanks of an equal one filled.
- The first communication is the earliest: a phone that was locked stays locked.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.child_ids import child_id

ADDRESS_PARTS = ("address", "address2", "city", "state", "zip")

PAYOR_KEY = ("insurance_id", "payor_responsibility", "insured_member_id")

PARTS = (
    "facts",
    "external_ids",
    "tags",
    "custom_fields",
    "referrals",
    "payors",
    "first_communication_at",
    "possible_duplicates",
    "distinct_from",
)
"""The parts of a patient's state that layers have."""

IDENTITY = (
    "first_name",
    "middle_name",
    "last_name",
    "date_of_birth",
    "gender",
    "phone_number",
    "additional_phone_number",
    "email",
)
"""The facts that say who somebody is."""

Layer = Mapping[str, Any]
"""A merged patient as it was: `id`, `merged_at`, the PARTS (external_ids: type → value), `known_as`; `beside`, who the
survivor was at that moment; `withheld`, the facts that it does not fill."""


def external_id_of(patient_id: str, type_id: str, value: str, at: str) -> dict[str, str]:
    """Return an external id as a patient's state holds it."""
    own_id = child_id(patient_id, f"external_id:{type_id}")
    return {"id": own_id, "value": value, "created_at": at, "updated_at": at}


def with_id(ids: Iterable[str], added: str) -> tuple[str, ...]:
    """Return the ids with one more, each once."""
    return tuple(dict.fromkeys((*ids, added)))


def absorbed_ids(layers: Iterable[Layer]) -> frozenset[str]:
    """Return the ids of all patients in these layers, of those merged into them earlier too."""
    return frozenset(each["id"] for layer in layers for each in (layer, *layer["known_as"]))


def external_ids_beneath(layers: Iterable[Layer]) -> frozenset[tuple[str, str]]:
    """Return every (type, value) under which the patients in these layers are known."""
    return frozenset(
        pair for layer in layers for each in (layer, *layer["known_as"]) for pair in each["external_ids"].items()
    )


def layered(own: Mapping[str, Any], layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return the layers, each with the facts that it must not fill, given what is above it."""
    shown = dict(own["facts"])
    done = []
    for layer in layers:
        facts = layer["facts"]
        contradicts = any(_differ(shown.get(part), facts.get(part)) for part in ADDRESS_PARTS)
        done.append({**layer, "withheld": list(ADDRESS_PARTS) if contradicts else []})
        shown = _filled(shown, done[-1])
    return tuple(done)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.casefold() != other.casefold()


def golden_record(
    patient_id: str, own: Mapping[str, Any], layers: Sequence[Layer], chosen: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return the PARTS that show. chosen: type → external id from a layer (`value`, `updated_at`) that a later record
    brought, so that it shows in place of one's own."""
    gone = absorbed_ids(layers) | {patient_id}
    facts, tags, custom_fields = dict(own["facts"]), list(own["tags"]), dict(own["custom_fields"])
    external_ids, referrals, payors = dict(own["external_ids"]), list(own["referrals"]), list(own["payors"])
    flags, distinct = dict(own["possible_duplicates"]), list(own["distinct_from"])
    first = own["first_communication_at"]
    for layer in layers:
        at = layer["merged_at"]
        facts = _filled(facts, layer)
        tags += [name for name in layer["tags"] if name not in tags]
        custom_fields = {**layer["custom_fields"], **custom_fields}
        taken = {kind: external_id_of(patient_id, kind, value, at) for kind, value in layer["external_ids"].items()}
        external_ids = {**taken, **external_ids}
        contents = [held["referral"] for held in referrals]
        referrals += [held for held in layer["referrals"] if held["referral"] not in contents]
        payors = _united(payors, layer["payors"])
        first = min((at for at in (first, layer["first_communication_at"]) if at is not None), default=None)
        flags = {**{other: flag for other, flag in layer["possible_duplicates"].items() if other not in gone}, **flags}
        distinct += [other for other in layer["distinct_from"] if other not in distinct]
    shown = {kind: {**external_ids[kind], **held} for kind, held in chosen.items()}
    return {
        "facts": _without_lone_extension(facts),
        "external_ids": {**external_ids, **shown},
        "tags": tuple(tags),
        "custom_fields": custom_fields,
        "referrals": tuple(referrals),
        "payors": tuple(payors),
        "first_communication_at": first,
        "possible_duplicates": flags,
        "distinct_from": tuple(other for other in distinct if other not in gone),
    }


def _filled(facts: Mapping[str, str], layer: Layer) -> dict[str, str]:
    """Return the facts with their blanks filled from the layer."""
    withheld = {*layer["withheld"], "phone_extension"} if "phone_number" in facts else set(layer["withheld"])
    return {**{name: value for name, value in layer["facts"].items() if name not in withheld}, **facts}


def _without_lone_extension(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the facts; an extension given for a phone number that went back goes too."""
    return {name: value for name, value in facts.items() if name != "phone_extension" or "phone_number" in facts}


def _united(payors: Sequence[Mapping[str, Any]], more: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    united = list(payors)
    for added in more:
        place = next((place for place, held in enumerate(united) if _is_same_payor(held, added)), None)
        if place is None:
            united.append(added)
        else:
            united[place] = {**united[place], "payor": {**added["payor"], **united[place]["payor"]}}
    return united


def _is_same_payor(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two payors are one: by id, or insurance or member id is the same and nothing of the key differs."""
    a, b = one["payor"], other["payor"]
    common = {name for name in PAYOR_KEY if name in a and name in b}
    identified = bool(common & {"insurance_id", "insured_member_id"})
    return one["id"] == other["id"] or (identified and all(a[name] == b[name] for name in common))


def alone(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the PARTS that show once no layer is left."""
    return {**own, "facts": _without_lone_extension(own["facts"])}
