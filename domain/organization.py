"""What is true of an organization: its settings, its reference data and its API keys?

An organization is a tenant. Its stream has its own id as stream id; everything a partner's record may point at
(locations, users, insurances, …) is told here, so that an id which is not the organization's own can be dropped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.commands import (
    AddReferenceItem,
    ChangeSetting,
    Command,
    CreateOrganization,
    IssueApiKey,
    RevokeApiKey,
    RotateApiKey,
)
from domain.entry import Envelope
from domain.errors import IllegalCommand
from domain.events import (
    ApiKeyIssued,
    ApiKeyRevoked,
    ApiKeyRotated,
    Event,
    ExternalIdTypeAdded,
    InsuranceAdded,
    LocationAdded,
    OrganizationCreated,
    ReferenceItemAdded,
    SettingChanged,
    UserAdded,
    WorkflowStageAdded,
)
from domain.stored_state import restore, with_changes

Item = Mapping[str, Any]
"""One piece of reference data: `id`, `name`, `created_at` and the details of its kind."""

KINDS: Mapping[str, tuple[str, type[ReferenceItemAdded]]] = {
    "external-id-type": ("external_id_types", ExternalIdTypeAdded),
    "location": ("locations", LocationAdded),
    "user": ("users", UserAdded),
    "workflow-stage": ("workflow_stages", WorkflowStageAdded),
    "insurance": ("insurances", InsuranceAdded),
}
"""Kind as the command line names it → (attribute of the state, event)."""

_COLLECTION_OF = {event: collection for collection, event in KINDS.values()}

SETTINGS: Mapping[str, tuple[str, ...]] = {
    "region": (),
    "time_zone": (),
    "close_variants": ("on", "off"),
    "overlay": ("overwrite", "hold"),
}
"""Setting → what it may be (empty: checked by whoever offers the command)."""


@dataclass(frozen=True)
class ApiKey:
    """A key as the ledger knows it: never the secret, only its SHA-256 (hex)."""

    id: str
    name: str
    secret_hash: str
    last_four: str
    scopes: tuple[str, ...]
    issued_at: str
    expires_at: str | None = None
    revoked_at: str | None = None


@dataclass(frozen=True)
class Organization:
    """The fold of an organization's stream."""

    id: str
    name: str
    created_at: str
    version: int = 1
    region: str = "US"
    time_zone: str = "UTC"
    close_variants: str = "on"
    overlay: str = "overwrite"
    external_id_types: Mapping[str, Item] = field(default_factory=dict)
    locations: Mapping[str, Item] = field(default_factory=dict)
    users: Mapping[str, Item] = field(default_factory=dict)
    workflow_stages: Mapping[str, Item] = field(default_factory=dict)
    insurances: Mapping[str, Item] = field(default_factory=dict)
    api_keys: Mapping[str, ApiKey] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Organization":
        """Return the state whose stored form (a JSON object) this is."""
        keys = {
            key_id: restore(ApiKey, {**key, "scopes": tuple(key["scopes"])})
            for key_id, key in stored["api_keys"].items()
        }
        return restore(cls, {**stored, "api_keys": keys})


def decide(organization: Organization | None, command: Command) -> list[Event]:
    """Return the new facts about an organization; none when they already hold."""
    match organization, command:
        case None, CreateOrganization(name=name):
            return [OrganizationCreated(name=name)]
        case Organization(), AddReferenceItem(kind=kind, item_id=item_id, name=name, details=details):
            collection, event = KINDS[kind]
            if item_id in getattr(organization, collection):
                return []
            return [event(item_id=item_id, name=name, details=dict(details))]
        case Organization(), ChangeSetting(setting=setting, new=new):
            if setting not in SETTINGS or (SETTINGS[setting] and new not in SETTINGS[setting]):
                raise IllegalCommand(command)
            old = getattr(organization, setting)
            return [] if old == new else [SettingChanged(setting=setting, old=old, new=new)]
        case Organization(api_keys=keys), IssueApiKey(key_id=key_id) if key_id not in keys:
            return [_issued(command)]
        case Organization(api_keys=keys), RotateApiKey(key_id=old_id, successor=successor) if (
            old_id in keys and keys[old_id].revoked_at is None and successor.key_id not in keys
        ):
            rotated = ApiKeyRotated(key_id=old_id, successor_id=successor.key_id, expires_at=command.expires_at)
            return [_issued(successor), rotated]
        case Organization(api_keys=keys), RevokeApiKey(key_id=key_id) if key_id in keys:
            return [] if keys[key_id].revoked_at else [ApiKeyRevoked(key_id=key_id)]
    raise IllegalCommand(command)


def _issued(command: IssueApiKey) -> ApiKeyIssued:
    return ApiKeyIssued(
        key_id=command.key_id,
        name=command.name,
        secret_hash=command.secret_hash,
        last_four=command.last_four,
        scopes=list(command.scopes),
    )


def evolve(organization: Organization | None, event: Event, envelope: Envelope) -> Organization:
    """Return the state after `event`."""
    at = envelope.recorded_at
    if isinstance(event, OrganizationCreated):
        return Organization(id=envelope.stream_id, name=event.name, created_at=at)
    assert organization is not None, "an organization's stream starts with OrganizationCreated"
    changes = _changes(organization, event, at)
    return with_changes(organization, {**changes, "version": organization.version + 1})


def _changes(organization: Organization, event: Event, at: str) -> dict[str, Any]:
    keys = organization.api_keys
    match event:
        case ReferenceItemAdded():
            collection = _COLLECTION_OF[type(event)]
            item = {"id": event.item_id, "name": event.name, "created_at": at, **event.details}
            return {collection: {**getattr(organization, collection), event.item_id: item}}
        case SettingChanged(setting=setting, new=new):
            return {setting: new}
        case ApiKeyIssued():
            issued = ApiKey(
                id=event.key_id,
                name=event.name,
                secret_hash=event.secret_hash,
                last_four=event.last_four,
                scopes=tuple(event.scopes),
                issued_at=at,
            )
            return {"api_keys": {**keys, event.key_id: issued}}
        case ApiKeyRotated(key_id=key_id, expires_at=expires_at):
            return {"api_keys": {**keys, key_id: with_changes(keys[key_id], {"expires_at": expires_at})}}
        case ApiKeyRevoked(key_id=key_id):
            return {"api_keys": {**keys, key_id: with_changes(keys[key_id], {"revoked_at": at})}}
    return {}


def fold(entries: Iterable[tuple[Event, Envelope]]) -> Organization | None:
    """Return the state that these events leave; `None` for no events."""
    state: Organization | None = None
    for event, envelope in entries:
        state = evolve(state, event, envelope)
    return state
