"""What does a record say, in clean values, and what of it could not be used?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from domain import rules
from domain.custom_fields import clean_custom_fields
from domain.dropped import Dropped, Reason, drop
from domain.organization import Organization
from domain.payors import RESPONSIBILITIES, VERIFICATION_STATUSES
from domain.record import SOURCES, ExternalId, UpsertRecord, told
from domain.rules import Context, Rule, clean, distinct, each, id_of, keep, members, one_of

__all__ = ["Clean", "Dropped", "Reason", "normalise", "satisfies_invariant"]

FACTS: Mapping[str, Rule] = {
    "first_name": keep,
    "last_name": keep,
    "middle_name": keep,
    "date_of_birth": rules.birth_date,
    "gender": keep,
    "phone_number": rules.phone,
    "additional_phone_number": rules.phone,
    "email": rules.email,
    "address": keep,
    "address2": keep,
    "city": keep,
    "state": keep,
    "zip": keep,
    "comments": keep,
    "workflow_stage_id": id_of("workflow_stages"),
    "assigned_user_id": id_of("users"),
    "location_id": id_of("locations"),
}
"""Field of the record → rule. What comes out is one text each."""

SOURCE = one_of(SOURCES)
EXTERNAL_ID_TYPE = id_of("external_id_types")

REFERRAL = members(
    {
        "physician_email": rules.email,
        "physician_phone": rules.phone,
        "physician_fax": rules.phone,
        "icd_codes": distinct(keep),
        "service_types": distinct(keep),
        "start_date": rules.plan_date,
        "end_date": rules.plan_date,
        "location_id": id_of("locations"),
    }
)

SERVICE = members(
    {
        "verification_benefits_status": one_of(VERIFICATION_STATUSES),
        "verification_dates": distinct(rules.instant),
        "pre_cert_phone_number": rules.phone,
        "pre_cert_fax": rules.phone,
        "pre_cert_email": rules.email,
        "carve_out_insurer_id": id_of("insurances"),
        "location_id": id_of("locations"),
        "location_rates": each(members({})),
    }
)

PAYOR = members(
    {
        "insurance_id": id_of("insurances"),
        "payor_responsibility": one_of(RESPONSIBILITIES),
        "coverage_from": rules.plan_date,
        "coverage_to": rules.plan_date,
        "subscriber": members({"dob": rules.birth_date}),
        "services": each(SERVICE),
    }
)

PAYORS = each(PAYOR)


@dataclass(frozen=True)
class Clean:
    """What a record says, JSON-native; only what was provided is in it.

    `facts` are texts by the contract's names: dates ISO 8601, phones E.164, `phone_extension` beside
    `phone_number`; all other phones and faxes carry their extension with them (`+12125550142 x12`). `tags` is
    `None` when not provided and `()` to take all away. In payors and referral whole numbers are int, other
    numbers decimal text, instants ISO 8601 in UTC.
    """

    facts: Mapping[str, str]
    external_id: tuple[str, str] | None = None
    tags: tuple[str, ...] | None = None
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    payors: tuple[dict[str, Any], ...] = ()
    referral: dict[str, Any] | None = None
    source: str | None = None


def normalise(
    record: UpsertRecord, *, organization: Organization, today: date, received: tuple[Dropped, ...] = ()
) -> tuple[Clean, tuple[Dropped, ...]]:
    """Return what a record says in clean values, and every drop in the order of the contract.

    `received` is what `read_record` dropped already. `today` is the day on which the record came: it tells
    past from future.
    """
    context = Context(organization, today)
    facts = _facts(record, context)
    cleaned = Clean(
        facts=facts,
        external_id=_external_id(record.external_id, context),
        tags=_tags(record.tags),
        custom_fields=clean_custom_fields(record.custom_fields, context) if record.custom_fields else {},
        payors=tuple(clean(PAYORS, record.payors, context, "payors") or ()) if record.payors else (),
        referral=clean(REFERRAL, record.referral, context, "referral") if record.referral else None,
        source=clean(SOURCE, record.source, context, "source") if record.source else None,
    )
    return cleaned, told([*received, *context.drops]) if received or context.drops else ()


def satisfies_invariant(cleaned: Clean) -> bool:
    """Tell whether a record can stand alone: it has a phone, or first name, last name and date of birth."""
    return "phone_number" in cleaned.facts or cleaned.facts.keys() >= {
        "first_name",
        "last_name",
        "date_of_birth",
    }


def _facts(record: UpsertRecord, context: Context) -> dict[str, str]:
    facts: dict[str, str] = {}
    sent_values = record.__dict__  # attribute access of models is slow
    for name, rule in FACTS.items():
        sent = sent_values[name]
        if sent is not None:
            cleaned = clean(rule, sent, context, name)
            if cleaned is not None:
                facts[name] = cleaned
    if "phone_number" in facts:
        facts["phone_number"], _, extension = facts["phone_number"].partition(" x")
        if extension:
            facts["phone_extension"] = extension
    return facts


def _external_id(sent: ExternalId | None, context: Context) -> tuple[str, str] | None:
    if sent is None or sent.value is None:
        return None
    if sent.type_id is None:
        context.drops.append(drop("external_id", Reason.INCOMPLETE, sent.value))
        return None
    type_id = clean(EXTERNAL_ID_TYPE, sent.type_id, context, "external_id")
    return type_id and (type_id, sent.value)


def _tags(sent: list[str | None] | None) -> tuple[str, ...] | None:
    """Return the tags without repetition; when all were blank or dropped, none is taken away."""
    kept = tuple(dict.fromkeys(tag for tag in sent or () if tag is not None))
    return None if not kept and sent != [] else kept
