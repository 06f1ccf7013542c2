"""What may a partner send about a patient's insurance?"""

from typing import Annotated

from pydantic import Field

from domain.values import Flag, LongText, Notes, Number, Sent, Text, Texts, Verbatim

RESPONSIBILITIES = ("primary", "secondary", "tertiary", "quaternary", "unknown")
"""Which payor pays first."""

VERIFICATION_STATUSES = (
    "pending",
    "in_progress",
    "verified",
    "partially_verified",
    "not_verified",
    "unverified",
    "not_required",
    "not_covered",
    "failed",
    "denied",
    "expired",
    "completed",
    "cancelled",
)
"""How far the verification of benefits has come."""

_DATE = "Formats as for `date_of_birth`."


class LocationRate(Sent):
    """What a payor covers at a location, in and out of network: money, percentages and numbers of visits."""

    covered_in_network: Flag = None
    covered_out_network: Flag = None
    copay_in_network: Number = Field(None, examples=[25])
    copay_out_network: Number = None
    co_insurance_in_network: Number = Field(None, examples=[20])
    co_insurance_out_network: Number = None
    auth_required_in_network: Flag = None
    auth_required_out_network: Flag = None
    auth_required_at_visit_in_network: Number = None
    auth_required_at_visit_out_network: Number = None
    mnr_required_in_network: Flag = None
    mnr_required_out_network: Flag = None
    mnr_required_at_visit_in_network: Number = None
    mnr_required_at_visit_out_network: Number = None
    deductible_apply_in_network: Flag = None
    deductible_apply_out_network: Flag = None
    oop_apply_in_network: Flag = None
    oop_apply_out_network: Flag = None
    dollar_limit_in_network: Number = None
    dollar_limit_out_network: Number = None
    dollar_limit_remaining_in_network: Number = None
    dollar_limit_remaining_out_network: Number = None
    visit_limit_in_network: Number = None
    visit_limit_out_network: Number = None
    visit_limit_remaining_in_network: Number = None
    visit_limit_remaining_out_network: Number = None
    id: Text = Field(None, description="The sender's id of this rate.")


class Service(Sent):
    """The benefits of one service under a payor, and how they were verified."""

    verification_benefits_status: Text = Field(
        None,
        description=f"One of {', '.join(VERIFICATION_STATUSES)}; case does not matter.",
        examples=["pending"],
    )
    verification_dates: Texts | None = Field(
        None,
        description="Instants, ISO 8601; without a zone they are UTC.",
        examples=[["2026-01-05T15:30:00Z"]],
    )
    verification_benefits_comment: Notes = None
    pre_cert_name: Text = None
    pre_cert_phone_number: Text = Field(None, examples=["800-555-0123 x4"])
    pre_cert_fax: Text = None
    pre_cert_url: LongText = None
    pre_cert_penalty: LongText = None
    pre_cert_email: Text = None
    sca_instructions: Notes = Field(None, description="How to get a single case agreement.")
    claim_address: LongText = None
    oon_reimbursement_rate: Number = Field(None, description="Out-of-network reimbursement rate.")
    eligibility_check_id: Text = None
    carve_out_insurer_id: Text = Field(None, description="An insurance of the organization; any other id is dropped.")
    location_id: Text = Field(None, description="A location of the organization; any other id is dropped.")
    rep_name: Text = Field(None, description="Whom the caller spoke to at the insurance.")
    call_reference_notes: Notes = None
    location_rates: Annotated[list[LocationRate | None], Field(max_length=40)] | None = None


class Subscriber(Sent):
    """Who holds the insurance, where that is not the patient."""

    first_name: Text = Field(None, examples=["Maria"])
    last_name: Text = Field(None, examples=["Garcia"])
    middle_name: Text = None
    dob: Text = Field(None, description=f"Date of birth. {_DATE}", examples=["1980-03-01"])
    insured_member_id: Verbatim = None
    address: LongText = None
    address2: LongText = None
    city: Text = None
    zip: Text = None


class Payor(Sent):
    """An insurance of the patient, told from others by insurance, responsibility and member id."""

    insurance_id: Text = Field(None, description="An insurance of the organization; any other id is dropped.")
    payor_responsibility: Text = Field(
        None, description=f"One of {', '.join(RESPONSIBILITIES)}; case does not matter.", examples=["primary"]
    )
    insured_member_id: Verbatim = Field(None, examples=["XYZ123456789"])
    group_number: Verbatim = None
    group_description: LongText = None
    coverage_from: Text = Field(None, description=_DATE, examples=["2026-01-01"])
    coverage_to: Text = Field(None, description=_DATE, examples=["2026-12-31"])
    plan_name: Text = Field(None, examples=["Choice Plus"])
    plan_type: Text = Field(None, examples=["PPO"])
    eligibility_check_comment: Notes = None
    subscriber: Subscriber | None = None
    subscriber_id: Verbatim = None
    services: Annotated[list[Service | None], Field(max_length=25)] | None = None
