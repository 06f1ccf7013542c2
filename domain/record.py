"""What may a partner send? A record: every field optional, wrong types read or dropped, never refused."""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from domain.dropped import MORE, Dropped, Reason, drop
from domain.payors import LocationRate, Payor, Service, Subscriber
from domain.referrals import Referral
from domain.values import LongText, Members, Notes, Sent, Text, Texts, Verbatim

SOURCES = (
    "form",
    "call",
    "api",
    "file",
    "sms",
    "fax",
    "chat_agent",
    "manual",
    "bulk_import",
    "eligibility",
)
"""Where a patient's data can come from."""

MAX_DROPS = 100
MAX_UNKNOWN_FIELDS = 20
UNREADABLE = "(unreadable)"
"""Stands for the name of a field that does not look like one: what is there may be anything."""

_FIELD_NAME = re.compile("[A-Za-z0-9_]{1,64}")


class ExternalId(Sent):
    """The patient's id in the sender's system: the strongest evidence of who it is."""

    type_id: Text = Field(None, description="An external id type of the organization.")
    value: Verbatim = Field(None, description="The id; case matters, blanks around it do not.", examples=["A-1001"])


class UpsertRecord(Sent):
    """A patient as a partner knows it.

    Every field is optional; null, blank and missing mean "not provided" and change nothing. What cannot be
    used is dropped and named in `dropped_fields`. Needed to identify the patient: a phone, or first name,
    last name and date of birth, or the external id of a known patient.
    """

    external_id: ExternalId | None = None
    first_name: Text = Field(None, examples=["Ann"])
    last_name: Text = Field(None, examples=["Garcia-Lopez"])
    middle_name: Text = Field(None, examples=["Marie"])
    date_of_birth: Text = Field(
        None,
        description="YYYY-MM-DD, YYYYMMDD, MM/DD/YYYY, MM-DD-YYYY or MM/DD/YY; a time behind it is ignored.",
        examples=["1980-03-01"],
    )
    gender: Text = Field(None, examples=["female"])
    phone_number: Text = Field(
        None,
        description="In any national or international notation; kept once there was a communication.",
        examples=["(212) 555-0142"],
    )
    additional_phone_number: Text = Field(None, examples=["212-555-0143 x12"])
    email: Text = Field(None, examples=["ann.lopez@example.com"])
    address: LongText = Field(None, examples=["12 Main St"])
    address2: LongText = Field(None, examples=["Apt 4"])
    city: Text = Field(None, examples=["New York"])
    state: Text = Field(None, examples=["NY"])
    zip: Text = Field(None, examples=["10001"])
    comments: Notes = Field(None, examples=["Prefers mornings."])
    workflow_stage_id: Text = Field(None, description="A workflow stage of the organization; others are dropped.")
    assigned_user_id: Text = Field(None, description="A user of the organization; others are dropped.")
    location_id: Text = Field(None, description="A location of the organization; others are dropped.")
    tags: Texts | None = Field(
        None, description="Replace the tags held; an empty list takes them all away.", examples=[["vip"]]
    )
    source: Text = Field(None, description=f"One of {', '.join(SOURCES)}.", examples=["api"])
    referral: Referral | None = Field(None, description="Added unless an equal one is held.")
    custom_fields: Members = Field(None, description="Merged key by key.", examples=[{"preferred_language": "es"}])
    payors: Annotated[list[Payor | None], Field(max_length=20)] | None = None


_NESTED: dict[type[Sent], tuple[tuple[str, type[Sent]], ...]] = {
    UpsertRecord: (("external_id", ExternalId), ("referral", Referral), ("payors", Payor)),
    Payor: (("subscriber", Subscriber), ("services", Service)),
    Service: (("location_rates", LocationRate),),
}
_KNOWN: dict[type[Sent], frozenset[str]] = {
    model: frozenset(model.model_fields)
    for model in (UpsertRecord, ExternalId, Referral, Payor, Subscriber, Service, LocationRate)
}
_validate: Callable[[dict[str, Any]], UpsertRecord] = UpsertRecord.__pydantic_validator__.validate_python
"""`UpsertRecord.model_validate`, without its options."""
_RANK = {name: rank for rank, name in enumerate(UpsertRecord.model_fields)}
_LONGEST = 100
"""No list is read beyond this."""

_KINDS = {
    "model_type": Reason.NOT_AN_OBJECT,
    "list_type": Reason.NOT_A_LIST,
}

Place = tuple[str | int, ...]
Cuts = dict[str | int, "Cuts | int"]
"""Which parts of a JSON value to take out: member or index → deeper cuts, or how many entries to keep."""


def read_record(body: dict[str, Any]) -> tuple[UpsertRecord, tuple[Dropped, ...]]:
    """Return what can be read of a JSON object, and what was dropped, in the order of the contract.

    Never raises for what a partner may send. Whatever does not fit its field's type is taken out, and the
    rest is read again: each pass takes something out, and lists nest three deep, so there are five passes at
    most.
    """
    drops: dict[str, Dropped] = {}
    usable = body
    while True:
        try:
            record = _validate(usable)
        except ValidationError as refused:
            usable = _without(usable, _cuts(usable, refused.errors(include_url=False, include_input=False), drops))
        else:
            unknown = heapq.nsmallest(MAX_UNKNOWN_FIELDS + 1, set(_unknown(body, UpsertRecord, "")))
            return record, told([*drops.values(), *(drop(path, Reason.UNKNOWN_FIELD) for path in unknown)])


def told(drops: Iterable[Dropped]) -> tuple[Dropped, ...]:
    """Return drops in the order of the contract, unknown fields last, cut where nobody would read on."""
    ordered = sorted(drops, key=lambda dropped: _RANK.get(dropped.field.partition(".")[0], len(_RANK)))
    listed = [d for d in ordered if d.reason not in (Reason.UNKNOWN_FIELD, Reason.NOT_LISTED)][:MAX_DROPS]
    listed += [d for d in ordered if d.reason == Reason.UNKNOWN_FIELD][:MAX_UNKNOWN_FIELDS]
    if len(listed) < len(ordered):
        listed.append(drop(MORE, Reason.NOT_LISTED))
    return tuple(listed)


def field_name(key: str) -> str:
    """Return a member's name if it can be shown, or a stand-in."""
    return key if _FIELD_NAME.fullmatch(key) else UNREADABLE


def _cuts(body: dict[str, Any], errors: Iterable[ErrorDetails], drops: dict[str, Dropped]) -> Cuts:
    cuts: Cuts = {}
    for error in errors:
        place: Place = error["loc"]
        value = _value_at(body, place)
        reason = _KINDS.get(error["type"]) or Reason[error["type"].upper()]
        keep = 0
        if "max_length" in error.get("ctx", {}):
            reason, keep = Reason.TOO_MANY, error["ctx"]["max_length"]
        if place[0] == "external_id":
            place = place[:1]  # half an external id is none
        path = ".".join(map(str, place)) + (f".{keep}" if keep else "")
        if len(drops) <= MAX_DROPS * 10:  # the record's own fields come first, and no more than this is told
            drops.setdefault(path, drop(path, reason, value))
        branch: Any = cuts
        for step in place[:-1]:
            branch = branch.setdefault(step, {})
        branch[place[-1]] = keep
    return cuts


def _value_at(value: Any, place: Place) -> object:
    for step in place:
        value = value[step]
    return value


def _without(value: Any, cuts: Cuts) -> Any:
    """Return a copy of a JSON value without the cuts; a cut entry leaves `None`: places stay as sent."""
    kept = value.copy()
    for step, cut in cuts.items():
        if isinstance(cut, dict):
            kept[step] = _without(kept[step], cut)
        else:
            kept[step] = kept[step][:cut] if cut else None
    return kept


def _unknown(value: Any, model: type[Sent], path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, entry in enumerate(value[:_LONGEST]):
            if isinstance(entry, dict):
                yield from _unknown(entry, model, f"{path}{index}.")
    elif isinstance(value, dict):
        known = _KNOWN[model]
        for key in value:
            if key not in known:
                yield path + field_name(key)
        for name, nested in _NESTED.get(model, ()):
            if name in value:
                yield from _unknown(value[name], nested, f"{path}{name}.")
