"""What can be asked of a stream? Intentions, in the imperative; `decide` turns them into events or into nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, dataclass_transform


@dataclass_transform(frozen_default=True)
class Command:
    """An intention; its fields are JSON-native values."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)


# ---- patient


class CreatePatient(Command):
    """A record matched nobody: begin a stream with its facts."""

    facts: Mapping[str, str]


class RecordMatch(Command):
    """Tell how the patient was found."""

    tier: str
    rule_version: str
    evidence: Mapping[str, str]
    rivals: tuple[Mapping[str, Any], ...]
    record: Mapping[str, str] = field(default_factory=dict)


class ChangeFact(Command):
    """Overwrite one scalar fact."""

    field: str
    new: str


class ChangePhone(Command):
    """Overwrite the phone number, unless it is locked."""

    new: str
    extension: str | None = None


class ChangeAddress(Command):
    """Overwrite the parts of the address that were provided."""

    parts: Mapping[str, str]


class AssignExternalId(Command):
    """Make the patient carry this external id of this type."""

    type_id: str
    value: str


class ReplaceTags(Command):
    """Replace the tags."""

    names: tuple[str, ...]


class SetCustomField(Command):
    """Set one custom field."""

    name: str
    value: Any


class AddReferral(Command):
    """Add a referral unless an equal one is there."""

    referral: Mapping[str, Any]


class PutPayors(Command):
    """Add payors, or merge the provided values into those with the same keys."""

    payors: Sequence[Mapping[str, Any]]


class ReportDrop(Command):
    """Tell that a field was provided and could not be used."""

    field: str
    reason: str
    offered: str | None


class FlagPossibleDuplicate(Command):
    """Tell that another patient may be the same person."""

    other_id: str
    reason: str
    evidence: Mapping[str, str] = field(default_factory=dict)


class SuspectOverlay(Command):
    """Tell that a record found by its external id describes somebody else."""

    evidence: Mapping[str, str]
    offered: Mapping[str, str]
    other_id: str | None


class DismissDuplicate(Command):
    """Tell that the other patient of a flag is no question any more."""

    other_id: str


class DismissOverlay(Command):
    """Tell that somebody looked and found one person."""


class RecordCommunication(Command):
    """Tell of the first message or call with the patient; it locks the phone."""

    channel: str
    direction: str
    occurred_at: str


class ErasePatient(Command):
    """Erase what is known of the patient. `order` says who ordered it, and under which number."""

    order: str


# ---- organization


class CreateOrganization(Command):
    """Begin an organization."""

    name: str


class AddReferenceItem(Command):
    """Add a location, user, insurance, workflow stage or external id type."""

    kind: str
    item_id: str
    name: str
    details: Mapping[str, Any] = field(default_factory=dict)


class ChangeSetting(Command):
    """Change a setting of the organization."""

    setting: str
    new: str


class IssueApiKey(Command):
    """Issue a key; only the SHA-256 of its secret is given."""

    key_id: str
    name: str
    secret_hash: str
    last_four: str
    scopes: tuple[str, ...]


class RotateApiKey(Command):
    """Issue a successor and let the old key live until `expires_at`."""

    key_id: str
    successor: IssueApiKey
    expires_at: str


class RevokeApiKey(Command):
    """Refuse a key from now on."""

    key_id: str
