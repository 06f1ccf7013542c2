"""`org`, `key` and `directory`: tenants, their API keys and their reference data."""

import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import available_timezones

import psycopg
import typer
from phonenumbers import SUPPORTED_REGIONS

from api.bootstrap import new_id
from api.keys import SCOPES, key_id_of, new_key
from domain.commands import AddReferenceItem, ChangeSetting, CreateOrganization, RevokeApiKey, RotateApiKey
from domain.organization import KINDS, SETTINGS, ApiKey, Organization
from projections import directory as directory_table
from projections.migrations import migrate
from scripts.verbs.connection import database_url, ledger, operator, show

org = typer.Typer(help="Organizations (tenants).", no_args_is_help=True)
key = typer.Typer(help="API keys.", no_args_is_help=True)
directory = typer.Typer(help="What records may point at: locations, users, insurances, …", no_args_is_help=True)


def not_blank(value: str) -> str:
    """Return the value: what has been recorded without a name stays so."""
    if not value.strip():
        raise typer.BadParameter("it is blank")
    return value


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
OrganizationId = Annotated[str, typer.Option("--organization", metavar="ID", help="The organization.")]
KeyId = Annotated[
    str, typer.Argument(metavar="KEY_ID", help="The key's id: the 12 characters after pl_live_; or the whole key.")
]
Name = Annotated[str, typer.Option("--name", help="Its name.", callback=not_blank)]
Kind = StrEnum("Kind", {kind.replace("-", "_").upper(): kind for kind in KINDS})  # type: ignore[misc] # from a table
Setting = StrEnum("Setting", {name.upper(): name for name in SETTINGS})  # type: ignore[misc] # from a table


@org.command("create")
def create(name: Name, as_json: AsJson = False) -> None:
    """Create an organization with no data."""
    with ledger() as opened:
        made = opened.administer(CreateOrganization(name=name), operator(str(new_id())))
        show({"id": made.id, "name": made.name}, as_json)


@org.command("list")
def list_organizations(as_json: AsJson = False) -> None:
    """List organizations: name and id."""
    with database_url() as url:
        migrate(url)
        with psycopg.connect(url) as owner, owner.cursor() as cursor:
            held = directory_table.organizations(cursor)
    show([{"id": each, "name": name} for each, name in held.items()], as_json)


@org.command("set")
def set_setting(setting: Setting, value: str, organization: OrganizationId, as_json: AsJson = False) -> None:
    """Change a setting.

    region (US), time_zone (America/New_York), close_variants (on, off), overlay (overwrite, hold).
    """
    if setting == "region" and value not in SUPPORTED_REGIONS:
        raise typer.BadParameter("no such region; two capital letters, such as US", param_hint="VALUE")
    if setting == "time_zone" and value not in available_timezones():
        raise typer.BadParameter("no such time zone; see the IANA names", param_hint="VALUE")
    with ledger() as opened:
        made = opened.administer(ChangeSetting(setting=str(setting), new=value), operator(organization))
        show({name: getattr(made, name) for name in ("id", *SETTINGS)}, as_json)


@key.command("issue")
def issue(
    organization: OrganizationId,
    name: Name = "partner",
    scope: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(SCOPES)}; repeatable; all of them without.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Issue a key. It is shown once; the ledger keeps its SHA-256."""
    shown, command = new_key(name, _scopes(scope))
    with ledger() as opened:
        opened.administer(command, operator(organization))
        show({"id": command.key_id, "api_key": shown}, as_json)


@key.command("list")
def list_keys(organization: OrganizationId, as_json: AsJson = False) -> None:
    """List keys: last four characters, scopes, when last used."""
    with ledger() as opened:
        held = opened.organization(organization)
        with opened.recorder.reading(organization) as cursor:
            uses = directory_table.key_uses(cursor, organization)
        show(
            [
                {
                    "id": each.id,
                    "name": each.name,
                    "last_four": each.last_four,
                    "scopes": list(each.scopes),
                    "issued_at": each.issued_at,
                    "last_used_at": uses[each.id].isoformat() if each.id in uses else None,
                    "expires_at": each.expires_at,
                    "revoked_at": each.revoked_at,
                }
                for each in held.api_keys.values()
            ],
            as_json,
        )


@key.command("rotate")
def rotate(
    key_id: KeyId,
    organization: OrganizationId,
    overlap_hours: Annotated[int, typer.Option(min=0, help="How long both keys work.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Issue a successor with the same scopes; the old key expires after the overlap."""
    with ledger() as opened:
        held = _held(opened.organization(organization), key_id)
        if held.revoked_at is not None:
            raise typer.BadParameter(
                f"the key was revoked at {held.revoked_at}; issue another one with `key issue`", param_hint="KEY_ID"
            )
        shown, successor = new_key(held.name, held.scopes)
        expires_at = (datetime.now(UTC) + timedelta(hours=overlap_hours)).isoformat()
        command = RotateApiKey(key_id=held.id, successor=successor, expires_at=expires_at)
        opened.administer(command, operator(organization))
        result = {
            "id": successor.key_id,
            "api_key": shown,
            "replaces": held.id,
            "old_key_expires_at": expires_at,
        }
        show(result, as_json)


@key.command("revoke")
def revoke(key_id: KeyId, organization: OrganizationId, as_json: AsJson = False) -> None:
    """Refuse a key from now on; running workers follow within a second."""
    with ledger() as opened:
        held = _held(opened.organization(organization), key_id)
        if held.revoked_at is not None:
            print("The key was revoked before; nothing has changed.", file=sys.stderr)
        made = opened.administer(RevokeApiKey(key_id=held.id), operator(organization))
        show({"id": held.id, "revoked_at": made.api_keys[held.id].revoked_at}, as_json)


def _held(organization: Organization, given: str) -> ApiKey:
    """Return the key that is meant. What was given is not repeated: it may hold a secret."""
    held = organization.api_keys.get(key_id_of(given))
    if held is None:
        raise typer.BadParameter("the organization has no such key; `key list` shows their ids", param_hint="KEY_ID")
    return held


@directory.command("add")
def add(
    kind: Kind,
    organization: OrganizationId,
    name: Name,
    email: Annotated[str | None, typer.Option(help="Of a user.")] = None,
    order: Annotated[int | None, typer.Option(help="Of a workflow stage.")] = None,
    description: Annotated[str | None, typer.Option(help="Of a workflow stage.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a piece of reference data."""
    sent: dict[str, Any] = {"email": email, "order": order, "description": description}
    details = {name: value for name, value in sent.items() if value is not None}
    command = AddReferenceItem(kind=str(kind), item_id=str(new_id()), name=name, details=details)
    with ledger() as opened:
        opened.administer(command, operator(organization))
        show({"id": command.item_id, "name": name}, as_json)


@directory.command("list")
def list_items(kind: Kind, organization: OrganizationId, as_json: AsJson = False) -> None:
    """List the reference data of one kind."""
    with ledger() as opened:
        collection = KINDS[str(kind)][0]
        show([dict(item) for item in getattr(opened.organization(organization), collection).values()], as_json)


def _scopes(asked: list[str] | None) -> list[str]:
    unknown = sorted(set(asked or ()) - set(SCOPES))
    if unknown:
        raise typer.BadParameter(f"no such scope: {', '.join(unknown)}", param_hint="--scope")
    return asked or list(SCOPES)
