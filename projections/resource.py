"""What do partners get? The contract's patient resource: the fold, with the names of what it points at.

Fields that only the clinic's side can fill (eligibility results, summaries, …) are there with null or their default.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from domain.organization import Item, Organization
from domain.patient import Patient
from domain.payors import LocationRate, Service, Subscriber
from domain.values import Number, Sent

SCALARS = (
    "first_name", "last_name", "middle_name", "phone_number", "additional_phone_number", "email", "date_of_birth",
    "gender", "address", "address2", "city", "state", "zip", "workflow_stage_id", "assigned_user_id", "location_id",
    "comments",
)  # fmt: skip

REFERRAL_FIELDS = (
    "physician_name", "physician_email", "physician_phone", "physician_fax", "physician_group", "physician_npi",
    "physician_address", "physician_address_2", "physician_city", "physician_zip", "icd_codes", "service_types",
    "start_date", "end_date", "location_id", "file_id",
)  # fmt: skip

PAYOR_SENT = (
    "insurance_id", "payor_responsibility", "subscriber_id", "insured_member_id", "group_number", "group_description",
    "coverage_from", "coverage_to", "plan_name", "plan_type", "eligibility_check_comment",
)  # fmt: skip

_IN_AND_OUT = tuple(
    f"{scope}_{amount}_{what}_{network}_network"
    for amount in ("deductible", "oop_max")
    for scope in ("individual", "family")
    for what in ("policy", "remaining")
    for network in ("in", "out")
)  # fmt: skip

PAYOR_HELD: Mapping[str, Any] = {
    "medicaid_id": None,
    "cob_notes": None,
    "cob_last_verified_at": None,
    "has_other_active_coverage": None,
    "out_of_state_benefits": None,
    "out_of_state_benefits_comments": None,
    "in_grace_period": None,
    "last_payment_date": None,
    "is_cobra_coverage": None,
    "deductible_apply_to_oop": None,
    "copay_applies_to_oop_max": None,
    "eligibility_check_status": "pending",
    "eligibility_check_date": None,
    "eligibility_version": 0,
    **dict.fromkeys(_IN_AND_OUT),
    "benefits_related_entities": (),
    "ai_summary": None,
    "ai_summary_generated_at": None,
}
"""Fields of a payor that a partner cannot send, with what they hold until the clinic's side fills them."""

_NUMBERS = frozenset(
    name
    for model in (LocationRate, Service)
    for name, annotation in model.__annotations__.items()
    if annotation is Number
)


def patient_resource(patient: Patient, organization: Organization) -> dict[str, Any]:
    """Return the patient as the contract documents it, JSON-native."""
    facts = patient.facts
    return {
        "id": patient.id,
        "created_at": patient.created_at,
        "updated_at": patient.updated_at,
        **{name: facts.get(name) for name in SCALARS},
        "phone_extension": facts.get("phone_extension"),
        "organization_id": patient.organization_id,
        "active": patient.merged_into is None,
        "version": patient.version,
        "first_communication_at": patient.first_communication_at,
        "custom_fields": _sorted(patient.custom_fields),
        "tags": [{"id": tag_id(patient.organization_id, name), "name": name} for name in patient.tags],
        "workflow_stage": _workflow_stage(organization, facts.get("workflow_stage_id")),
        "assigned_user": _assigned_user(organization, facts.get("assigned_user_id")),
        "referrals": [_referral(held) for held in patient.referrals],
        "payors": [_payor(held, patient, organization) for held in patient.payors],
        "external_id_values": [
            _external_id(type_id, held, patient, organization) for type_id, held in sorted(patient.external_ids.items())
        ],
    }


def _filled(model: type[Sent], sent: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return every member of the model in its order, null where nothing was sent; `None` where all of it is missing."""
    return None if sent is None else {name: sent.get(name) for name in model.model_fields}


def _sorted(value: Any) -> Any:
    """Return the value with its members in the order in which they are stored: the same answer every time."""
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list | tuple) else value


def tag_id(organization_id: str, name: str) -> str:
    """Return the tag's id: the same name has the same id throughout the organization."""
    return str(uuid5(UUID(organization_id), f"tag:{name}"))


def _workflow_stage(organization: Organization, stage_id: str | None) -> dict[str, Any] | None:
    stage = organization.workflow_stages.get(stage_id or "")
    if stage is None:
        return None
    return {
        "id": stage["id"],
        "title": stage["name"],
        "actions": [],
        "order": stage.get("order", 0),
        "description": stage.get("description"),
    }


def _assigned_user(organization: Organization, user_id: str | None) -> dict[str, Any] | None:
    user = organization.users.get(user_id or "")
    return None if user is None else {"id": user["id"], "name": user["name"], "email": user.get("email")}


def _referral(held: Mapping[str, Any]) -> dict[str, Any]:
    sent = held["referral"]
    listed = {name: sent.get(name) for name in REFERRAL_FIELDS}
    listed["icd_codes"] = listed["icd_codes"] or []
    listed["service_types"] = listed["service_types"] or []
    return {"id": held["id"], **listed, "created_at": held["created_at"], "updated_at": held["updated_at"]}


def _payor(held: Mapping[str, Any], patient: Patient, organization: Organization) -> dict[str, Any]:
    sent = held["payor"]
    insurance: Item | None = organization.insurances.get(sent.get("insurance_id") or "")
    return {
        "id": held["id"],
        "created_at": held["created_at"],
        "updated_at": held["updated_at"],
        "patient_id": patient.id,
        **{name: sent.get(name) for name in PAYOR_SENT},
        **PAYOR_HELD,
        "patient": {"id": patient.id},
        "insurance": None if insurance is None else {"id": insurance["id"], "name": insurance["name"]},
        "subscriber": _filled(Subscriber, sent.get("subscriber")),
        "services": [_service(place, service, held) for place, service in enumerate(sent.get("services") or ())],
        "active": True,
        "version": held["version"],
    }


def _service(place: int, sent: Mapping[str, Any], payor: Mapping[str, Any]) -> dict[str, Any]:
    rates = [_numbers(_filled(LocationRate, rate) or {}) for rate in sent.get("location_rates") or ()]
    return {
        "id": str(uuid5(UUID(payor["id"]), f"service:{place}")),
        "payor_id": payor["id"],
        "created_at": payor["created_at"],
        "updated_at": payor["updated_at"],
        "eligibility_check_status": "pending",
        "service_type": None,
        "copay_in_network": None,
        **dict.fromkeys(Service.model_fields),
        **_numbers(sent),
        "location_rates": rates,
    }


def _numbers(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with decimal texts as numbers, as the contract shows them."""
    return {
        name: float(value) if name in _NUMBERS and isinstance(value, str) else value for name, value in sent.items()
    }


def _external_id(type_id: str, held: Mapping[str, str], patient: Patient, organization: Organization) -> dict[str, Any]:
    kind = organization.external_id_types.get(type_id)
    return {
        "id": held["id"],
        "patient_id": patient.id,
        "value": held["value"],
        "external_id_type": {
            "id": type_id,
            "name": None if kind is None else kind["name"],
            "created_at": None if kind is None else kind["created_at"],
        },
        "created_at": held["created_at"],
        "updated_at": held["updated_at"],
    }
