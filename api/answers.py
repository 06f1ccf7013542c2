"""What comes back? The answers as models: the source of the OpenAPI document, never run on a request.

Members are those of the partner documentation, in its order; what it does not know stands behind them. `None` is
"not known". Tests hold every real answer against these models, without letting an unknown member pass.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from domain.dropped import Reason
from domain.payors import LocationRate, Service
from domain.values import Flag, Number

Text = str | None
Amount = int | float | None
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-05T15:30:00.000000Z"])]
Id = Annotated[str, Field(json_schema_extra={"format": "uuid"}, examples=["3c90c3cc-0d44-4b50-8888-8dd25736052a"])]
Tier = Literal["external_id", "demographics", "phone_fuzzy_name", "email_fuzzy_name"]
Members = dict[str, JsonValue]


class Answer(BaseModel):
    """Part of an answer: no member but these."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tag(Answer):
    """A word the clinic files patients under; the same name has the same id throughout the organization."""

    id: Id
    name: str


class WorkflowStage(Answer):
    """Where the patient stands in the clinic's work."""

    id: Id
    title: str
    actions: list[JsonValue]
    order: int
    description: Text


class AssignedUser(Answer):
    """Who looks after the patient."""

    id: Id
    name: str
    email: Text


class PatientReferral(Answer):
    """Who referred the patient, for what, and for how long."""

    id: Id
    physician_name: Text
    physician_email: Text
    physician_phone: Text
    physician_fax: Text
    physician_group: Text
    physician_npi: Text
    physician_address: Text
    physician_address_2: Text
    physician_city: Text
    physician_zip: Text
    icd_codes: list[str]
    service_types: list[str]
    start_date: Text
    end_date: Text
    location_id: Text
    file_id: Text
    created_at: Moment
    updated_at: Moment


def _as_answered(annotation: Any) -> Any:
    """Return the type that an answer has where a record may have this one."""
    return Amount if annotation is Number else bool | None if annotation is Flag else Text


_RATE: dict[str, Any] = {name: (_as_answered(sent), ...) for name, sent in LocationRate.__annotations__.items()}
_SERVICE: dict[str, Any] = {name: (_as_answered(sent), ...) for name, sent in Service.__annotations__.items()}

ServiceRate = create_model("ServiceRate", __base__=Answer, **_RATE)
ServiceRate.__doc__ = "What a payor covers at a location."


class PayorService(create_model("SentService", __base__=Answer, **_SERVICE)):  # type: ignore[misc] # made from the fields as sent, which mypy cannot see
    """The benefits of one service under a payor, and how they were verified."""

    id: Id
    payor_id: Id
    created_at: Moment
    updated_at: Moment
    eligibility_check_status: str
    service_type: Text
    copay_in_network: Amount
    verification_dates: list[str] | None
    location_rates: list[ServiceRate]


class PayorSubscriber(Answer):
    """Who holds the insurance, where that is not the patient."""

    first_name: Text
    last_name: Text
    middle_name: Text
    dob: Text
    insured_member_id: Text
    address: Text
    address2: Text
    city: Text
    zip: Text


class PayorPatient(Answer):
    """Whose payor this is."""

    id: Id


class Insurance(Answer):
    """An insurance of the organization."""

    id: Id
    name: str


class PatientPayor(Answer):
    """An insurance of the patient. What only the clinic's side can fill is null or its default."""

    id: Id
    created_at: Moment
    updated_at: Moment
    patient_id: Id
    insurance_id: Text
    payor_responsibility: Text
    subscriber_id: Text
    insured_member_id: Text
    group_number: Text
    group_description: Text
    medicaid_id: Text
    coverage_from: Text
    coverage_to: Text
    plan_name: Text
    plan_type: Text
    cob_notes: Text
    cob_last_verified_at: Text
    has_other_active_coverage: bool | None
    out_of_state_benefits: bool | None
    out_of_state_benefits_comments: Text
    in_grace_period: bool | None
    last_payment_date: Text
    is_cobra_coverage: bool | None
    deductible_apply_to_oop: bool | None
    copay_applies_to_oop_max: bool | None
    eligibility_check_status: str
    eligibility_check_comment: Text
    eligibility_check_date: Text
    eligibility_version: int
    individual_deductible_policy_in_network: Amount
    individual_deductible_policy_out_network: Amount
    individual_deductible_remaining_in_network: Amount
    individual_deductible_remaining_out_network: Amount
    family_deductible_policy_in_network: Amount
    family_deductible_policy_out_network: Amount
    family_deductible_remaining_in_network: Amount
    family_deductible_remaining_out_network: Amount
    individual_oop_max_policy_in_network: Amount
    individual_oop_max_policy_out_network: Amount
    individual_oop_max_remaining_in_network: Amount
    individual_oop_max_remaining_out_network: Amount
    family_oop_max_policy_in_network: Amount
    family_oop_max_policy_out_network: Amount
    family_oop_max_remaining_in_network: Amount
    family_oop_max_remaining_out_network: Amount
    benefits_related_entities: list[Members]
    ai_summary: Text
    ai_summary_generated_at: Text
    patient: PayorPatient
    insurance: Insurance | None
    subscriber: PayorSubscriber | None
    services: list[PayorService]
    active: bool
    version: int


class ExternalIdType(Answer):
    """Whose ids these are."""

    id: Id
    name: Text
    created_at: Moment | None


class ExternalIdValue(Answer):
    """The patient's id in another system."""

    id: Id
    patient_id: Id
    value: str
    external_id_type: ExternalIdType
    created_at: Moment
    updated_at: Moment


class Patient(Answer):
    """A patient as the ledger knows it at one version."""

    id: Id
    created_at: Moment
    updated_at: Moment
    first_name: Text
    last_name: Text
    middle_name: Text
    phone_number: Text = Field(description="E.164.", examples=["+12125550142"])
    additional_phone_number: Text = Field(description="E.164, with its extension: `+12125550143 x12`.")
    email: Text
    date_of_birth: Text = Field(description="YYYY-MM-DD.", examples=["1980-03-01"])
    address: Text
    address2: Text
    city: Text
    zip: Text
    workflow_stage_id: Text
    assigned_user_id: Text
    location_id: Text
    organization_id: Id
    active: bool
    version: int = Field(description="How many events the patient's history holds; also the ETag.")
    first_communication_at: Text = Field(description="From then on the phone number is kept.")
    custom_fields: Members
    comments: Text
    tags: list[Tag]
    workflow_stage: WorkflowStage | None
    assigned_user: AssignedUser | None
    referrals: list[PatientReferral]
    payors: list[PatientPayor]
    external_id_values: list[ExternalIdValue]
    gender: Text
    state: Text
    phone_extension: Text


class Drop(Answer):
    """A value that was sent and not used: where, and why."""

    field: str = Field(examples=["payors.0.subscriber.dob"])
    reason: str = Field(description="\n".join(f"`{each}`: {each.explanation}" for each in Reason))


class Rival(Answer):
    """Another patient who was considered."""

    patient_id: Id
    tier: Text
    reason: str
    evidence: dict[str, str]


class MatchEvidence(Answer):
    """How the patient was found, in words; never in values."""

    tier: Tier | None
    rule_version: str
    evidence: dict[str, str] = Field(examples=[{"date_of_birth": "equal", "first_name": "nickname"}])
    rivals: list[Rival]


class Receipt(Answer):
    """What this record led to in the ledger."""

    request_id: str
    position: int | None = Field(description="Of the last event; null when nothing had to be appended.")
    events: list[str]
    match: MatchEvidence


class Upserted(Answer):
    """Where the record landed."""

    patient: Patient
    matched: bool = Field(description="An existing patient was found.")
    created: bool = Field(description="A new patient was made.")
    match_tier: Tier | None = Field(description="Which tier found the patient; null when created.")
    dropped_fields: list[str] = Field(description="Fields that were sent and not used.")
    dropped: list[Drop]
    receipt: Receipt


class UpsertedLine(Upserted):
    """Where the record of one line landed; a line that was refused has its problem details in the same place."""

    line: int = Field(description="The line of the body, from 1.")
    status: int = Field(description="What the same record alone would be answered with; 200 here, else a problem.")
    replayed: bool = Field(
        default=False, description="An earlier answer to the same line under the same Idempotency-Key."
    )


class Communicated(Answer):
    """The patient after the communication."""

    patient: Patient


class Change(Answer):
    """One field, before and after."""

    field: str
    old: JsonValue
    new: JsonValue


class HistoryItem(Answer):
    """One event of a patient's history."""

    version: int = Field(description="Place in the patient's history, from 1.")
    position: int = Field(description="Place in the ledger: gapless over all its events.")
    event: str = Field(examples=["PhoneChanged"])
    kind: str = Field(examples=["changed"])
    sentence: str = Field(description="The event in words.")
    changes: list[Change]
    recorded_at: Moment
    source: str
    actor: str = Field(description="Which key, user or job.", examples=["key:k3v9q2m4x7ab"])
    request_id: str
    data: Members = Field(description="The event as it is stored.")


class HistoryPage(Answer):
    """A part of a patient's history, newest first."""

    items: list[HistoryItem]
    next: int | None = Field(description="Send it as `before` for the next page; null on the last one.")


class PatientPage(Answer):
    """Patients that fit."""

    items: list[Patient]
    next: str | None = Field(description="Send it as `after` for the next page; null on the last one.")
    position: int | None = Field(description="With `updated_since`: how far this page reaches.")


class FeedItem(HistoryItem):
    """One event of a patient."""

    patient_id: Id


class EventPage(Answer):
    """A part of the feed."""

    items: list[FeedItem]
    next: int = Field(description="Send it as `after` the next time.")
    more: bool = Field(description="Whether there is more at once.")


class Alive(Answer):
    """That the process lives."""

    status: Literal["alive"]


class Check(Answer):
    """One thing that is looked at."""

    fine: bool
    vital: bool = Field(description="Whether requests should go elsewhere while this is not fine.")
    detail: str


class LastCheck(Answer):
    """What was last checked, with what result."""

    position: int
    passed: bool
    result: str
    finished_at: Moment
    age_seconds: float


class ProjectionState(Answer):
    """How far a projection is."""

    name: str
    state: str = Field(description="`inline`, or of a follower `following`, `stuck`, `in trouble`, `never started`.")
    position: int
    lag_events: int
    lag_seconds: float = Field(description="For how long the next event has been waiting.")
    parked: int = Field(description="Streams that it could not digest and set aside.")
    parked_because: list[str]
    fingerprint: LastCheck | None = Field(description="When it was last compared with a rebuild.")
    heartbeat_seconds: float | None = Field(description="How long ago a follower said that it is alive.")
    problem: str | None


class LedgerState(Answer):
    """Where the ledger and its projections are."""

    position: int
    recorded_at: Moment
    projections: list[ProjectionState]
    last_verify: LastCheck | None
    findings: list[str] = Field(description="What somebody should look after; requests are answered all the same.")


class Readiness(Answer):
    """Whether requests should be sent here."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, Check]
    ledger: LedgerState | None = Field(description="Missing where the database cannot be asked.")


class Pointed(Answer):
    """A member of the body that an error is about, as a JSON pointer."""

    pointer: str = Field(examples=["#/date_of_birth"])
    detail: str = Field("", description="The rule it breaks; never the value.")


class ProblemDetails(Answer):
    """An error (RFC 9457). It names fields and rules, never values."""

    type: str = Field(description="Stable; a page of this service that explains it.", examples=["/problems/not-json"])
    title: str
    status: int
    detail: str
    request_id: str = Field(description="Also in X-Request-Id; quote it when you ask about this error.")
    errors: list[Pointed] = Field([], description="Where in the body.")
    parameter: str = Field("", description="Which parameter or header.")
    scope: str = Field("", description="Which scope the key lacks.")
    limit_bytes: int = Field(0, description="How large a body may be.")
    dropped_fields: list[str] = Field([], description="Fields that were sent and could not be used.")
    dropped: list[Drop] = Field([], description="The same with the reason.")


class RefusedLine(ProblemDetails):
    """Why the record of one line was refused."""

    line: int = Field(description="The line of the body, from 1.")
