"""The stored format: what has happened, one fact an event, in the past tense.

An event holds JSON-native values only (text, whole numbers, truth values, lists, objects): ids are canonical UUID
text, dates `YYYY-MM-DD`, instants ISO 8601 in UTC. No id, version, time or partner of the event itself stands in it:
those are the entry's (`domain.entry`). A class's name is the stored topic and `schema_version` the version of its
fields; neither changes once released: a new shape takes a new `schema_version` and an upcaster.
"""

from dataclasses import dataclass, field
from inspect import signature
from typing import Any, ClassVar, dataclass_transform

EVENTS: dict[str, type["Event"]] = {}
"""Topic → event class: every event that was ever written has its class here."""


@dataclass_transform(frozen_default=True)
class Event:
    """A fact. Subclasses list their payload as fields."""

    schema_version: ClassVar[int] = 1
    payload_fields: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)
        cls.payload_fields = frozenset(signature(cls).parameters)
        EVENTS[cls.__name__] = cls


# ---- how a record was placed


class PatientCreated(Event):
    """A record matched nobody, so a patient was created with what it told."""

    facts: dict[str, str]


class PatientMatched(Event):
    """A record was found to be this patient's; the events after it in the same request are what it changed.

    `record` is who the record said it is, as it was compared: the facts of that, and `external_id` as `TYPE:VALUE`.
    """

    tier: str
    rule_version: str
    evidence: dict[str, str]
    rivals: list[dict[str, Any]]
    record: dict[str, str]


class PossibleDuplicateFlagged(Event):
    """Another patient may be the same person; somebody should look."""

    other_id: str
    reason: str
    evidence: dict[str, str]


class OverlaySuspected(Event):
    """A record with this patient's external id describes somebody else; both sides are told."""

    evidence: dict[str, str]
    held: dict[str, str]
    offered: dict[str, str]
    other_id: str | None


# ---- review


class DuplicateDismissed(Event):
    """Somebody looked: the other patient is another person. The two are never flagged again."""

    other_id: str


class OverlayDismissed(Event):
    """Somebody looked: the patient is one person, whatever the record with its external id said."""


class PatientMerged(Event):
    """Another patient is the same person, and lives on in this one.

    Everything but `changes` is what the other patient was at that moment: this patient's own values stand before it,
    and fill up with it. external_ids: type → value. known_as: names and ids it was known by, its own first. changes:
    what that changed here, field → [old, new]; of payors and referrals the numbers of them.
    """

    other_id: str
    facts: dict[str, str]
    external_ids: dict[str, str]
    tags: list[str]
    custom_fields: dict[str, Any]
    referrals: list[dict[str, Any]]
    payors: list[dict[str, Any]]
    first_communication_at: str | None
    possible_duplicates: dict[str, Any]
    distinct_from: list[str]
    known_as: list[dict[str, Any]]
    changes: dict[str, Any]


class PatientMergedInto(Event):
    """This patient is the same person as another one, and lives on in that one."""

    survivor_id: str


class PatientUnmerged(Event):
    """The other patient is another person after all: what came from it goes back. `changes` as in `PatientMerged`."""

    other_id: str
    changes: dict[str, Any]


class PatientRestored(Event):
    """This patient is another person than the one it was merged into, and is as it was before."""

    survivor_id: str


# ---- facts


class FactChanged(Event):
    """One scalar fact of a patient was overwritten. `old` is `None` when there was none."""

    field_name: ClassVar[str] = ""

    old: str | None
    new: str


class FirstNameChanged(FactChanged):
    """The first name was overwritten."""

    field_name = "first_name"


class MiddleNameChanged(FactChanged):
    """The middle name was overwritten."""

    field_name = "middle_name"


class LastNameChanged(FactChanged):
    """The last name was overwritten."""

    field_name = "last_name"


class DateOfBirthChanged(FactChanged):
    """The date of birth was overwritten."""

    field_name = "date_of_birth"


class GenderChanged(FactChanged):
    """The gender was overwritten."""

    field_name = "gender"


class PhoneExtensionChanged(FactChanged):
    """The extension behind an unchanged phone number was overwritten."""

    field_name = "phone_extension"


class AdditionalPhoneChanged(FactChanged):
    """The second phone number was overwritten; it is never locked."""

    field_name = "additional_phone_number"


class EmailChanged(FactChanged):
    """The email address was overwritten."""

    field_name = "email"


class CommentsChanged(FactChanged):
    """The comments were overwritten."""

    field_name = "comments"


class WorkflowStageChanged(FactChanged):
    """The patient moved to another workflow stage."""

    field_name = "workflow_stage_id"


class AssignedUserChanged(FactChanged):
    """The patient was assigned to another user."""

    field_name = "assigned_user_id"


class LocationChanged(FactChanged):
    """The patient moved to another location of the organization."""

    field_name = "location_id"


class PhoneChanged(Event):
    """The phone number was overwritten, and its extension with it."""

    old: str | None
    new: str
    extension: str | None


class PhoneLockRespected(Event):
    """Another phone number was offered after the first communication; the held one was kept."""

    kept: str
    offered: str


class AddressChanged(Event):
    """Parts of the address were overwritten; `old` and `new` hold just the parts that differ."""

    old: dict[str, str | None]
    new: dict[str, str]


class TagsReplaced(Event):
    """The tags were replaced."""

    old: list[str]
    new: list[str]


class CustomFieldSet(Event):
    """A custom field was set."""

    name: str
    old: Any
    new: Any


class FieldDropped(Event):
    """A field was provided and could not be used. `offered` is what was sent, cut at 200 characters."""

    field: str
    reason: str
    offered: str | None


# ---- external ids


class ExternalIdAssigned(Event):
    """A partner knows this patient by this id."""

    type_id: str
    value: str


class ExternalIdReplaced(Event):
    """The partner now knows this patient by another id."""

    type_id: str
    old: str
    new: str


# ---- referrals and payors


class ReferralAdded(Event):
    """A physician referred the patient."""

    referral_id: str
    referral: dict[str, Any]


class PayorAdded(Event):
    """The patient is covered by another payor."""

    payor_id: str
    payor: dict[str, Any]


class PayorChanged(Event):
    """Values of a payor were overwritten; `old` and `new` hold just the values that differ."""

    payor_id: str
    old: dict[str, Any]
    new: dict[str, Any]


# ---- communication


class FirstCommunicationRecorded(Event):
    """The clinic and the patient first spoke or wrote; from now on the phone number is locked."""

    channel: str
    direction: str
    occurred_at: str


# ---- erasure


class PatientErased(Event):
    """What the ledger knew of the patient was erased by this order; that it knew something, and when, is kept."""

    order: str


# ---- organization


class OrganizationCreated(Event):
    """A clinic joined."""

    name: str


class ReferenceItemAdded(Event):
    """Reference data that records may point at was added."""

    item_id: str
    name: str
    details: dict[str, Any] = field(default_factory=dict)


class ExternalIdTypeAdded(ReferenceItemAdded):
    """A kind of external id was added."""


class LocationAdded(ReferenceItemAdded):
    """A location was added."""


class UserAdded(ReferenceItemAdded):
    """A user whom patients can be assigned to was added."""


class WorkflowStageAdded(ReferenceItemAdded):
    """A workflow stage was added."""


class InsuranceAdded(ReferenceItemAdded):
    """An insurance was added."""


class SettingChanged(Event):
    """A setting of the organization was changed."""

    setting: str
    old: str
    new: str


class ApiKeyIssued(Event):
    """A key was issued. `secret_hash` is the SHA-256 of its secret in hex; the secret was shown once."""

    key_id: str
    name: str
    secret_hash: str
    last_four: str
    scopes: list[str]


class ApiKeyRotated(Event):
    """A key got a successor and is refused from `expires_at` on."""

    key_id: str
    successor_id: str
    expires_at: str


class ApiKeyRevoked(Event):
    """A key is refused from now on."""

    key_id: str


del EVENTS["FactChanged"], EVENTS["ReferenceItemAdded"]  # families, never written themselves

FACT_EVENTS: dict[str, type[FactChanged]] = {cls.field_name: cls for cls in FactChanged.__subclasses__()}
"""Scalar fact → the event that tells of its change."""
