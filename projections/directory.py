"""Which organizations are there, and which keys speak for them? The directory: the folds of organization streams."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Cursor

from domain.entry import canonical
from domain.organization import Organization
from projections.arrays import texts
from projections.statements import statements
from projections.trips import Writer

_SQL = statements("directory")


class StoredKey(NamedTuple):
    """An API key as found by its id."""

    organization_id: UUID
    secret_hash: bytes
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None


def write(writer: Writer, before: Organization | None, after: Organization, chain_hash: bytes | None) -> None:
    """Store the organization and those of its keys that changed."""
    row = {
        "id": after.id,
        "version": after.version,
        "chain_hash": chain_hash,
        "fold": canonical(after).decode(),
    }
    writer.execute(_SQL["write_organization"], row)
    held = {} if before is None else before.api_keys
    for key in after.api_keys.values():
        if held.get(key.id) != key:
            writer.execute(
                _SQL["write_keys"],
                {
                    "organization_id": after.id,
                    "id": key.id,
                    "secret_hash": bytes.fromhex(key.secret_hash),
                    "scopes": texts(key.scopes),
                    "expires_at": key.expires_at,
                    "revoked_at": key.revoked_at,
                },
            )


def get(cursor: Cursor[Any], organization_id: str) -> Organization | None:
    """Return the organization as of now."""
    found = cursor.execute(_SQL["get_organization"], {"id": organization_id}).fetchone()
    return None if found is None else Organization.from_json(found[0])


def organizations(cursor: Cursor[Any]) -> dict[str, str]:
    """Return the id of each organization → its name; the owner of the database sees all of them. Rows are tuples."""
    return dict(cursor.execute(_SQL["list_organizations"]).fetchall())


def find_key(cursor: Cursor[Any], key_id: str) -> StoredKey | None:
    """Return the key with this id, of whichever organization."""
    found = cursor.execute(_SQL["find_api_key"], {"id": key_id}).fetchone()
    return None if found is None else StoredKey(*found)


def note_use(cursor: Cursor[Any], organization_id: str, key_id: str) -> None:
    """Note that the key was used just now, to the minute."""
    cursor.execute(_SQL["note_use"], {"organization": organization_id, "id": key_id})


def key_uses(cursor: Cursor[Any], organization_id: str) -> dict[str, datetime]:
    """Return key id → when it was last used, to the minute."""
    return dict(cursor.execute(_SQL["key_uses"], {"organization": organization_id}).fetchall())
