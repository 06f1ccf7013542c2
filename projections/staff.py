"""Who of the clinic's staff may look, and what may they see? Accounts, sessions and one-time links.

These are tables and no events: a password must be removable for good, and a wrong try is no fact about a patient.
Secrets never come here: tokens as their SHA-256, passwords as `api.panel.passwords` hashes them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Cursor

from projections.statements import statements

_SQL = statements("staff")

ROLES: Mapping[str, frozenset[str]] = {
    "front-desk": frozenset({"history:read", "phi:reveal"}),
    "clinician": frozenset({"history:read", "phi:read", "history:export"}),
    "auditor": frozenset({"history:read", "phi:read", "history:export", "access:read"}),
}
"""Role → what it may do. Without phi:read the values of patients are masked; phi:reveal may see them for a reason."""

MOST_TRIES = 5
REST = timedelta(minutes=15)
"""So long a login rests after MOST_TRIES wrong passwords."""

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
"""A session ends after this time without a request, and in any case after that."""

LINK_VALID = timedelta(hours=24)


class Staff(NamedTuple):
    """One of the staff, signed in."""

    organization_id: str
    id: str
    login: str
    name: str
    role: str

    @property
    def actor(self) -> str:
        """Return the actor as the access log tells it."""
        return f"staff:{self.id}"

    def may(self, scope: str) -> bool:
        """Return whether the role allows this."""
        return scope in ROLES.get(self.role, frozenset())


class Account(NamedTuple):
    """One of the staff, as administrators see it."""

    id: str
    login: str
    name: str
    role: str
    has_password: bool
    created_at: datetime
    last_signed_in_at: datetime | None
    locked_until: datetime | None
    disabled_at: datetime | None


def add(cursor: Cursor[Any], member: Staff, password: str | None) -> None:
    """Add one of the staff. UniqueViolation when somebody has this login already."""
    columns = {"id": member.id, "login": member.login, "name": member.name, "role": member.role}
    cursor.execute(_SQL["add"], {"organization": member.organization_id, **columns, "password": password})


def accounts(cursor: Cursor[Any], organization_id: str) -> list[Account]:
    """Return the staff of an organization by login."""
    rows = cursor.execute(_SQL["list"], {"organization": organization_id}).fetchall()
    return [Account(str(row[0]), *row[1:]) for row in rows]


def find_by_login(cursor: Cursor[Any], login: str) -> tuple[str, str] | None:
    """Return (organization, id) of a login, of whichever organization."""
    row = cursor.execute(_SQL["find_by_login"], {"login": login.strip().lower()}).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def take_try(cursor: Cursor[Any], organization_id: str, staff_id: str) -> tuple[str, str | None] | None:
    """Count a try to sign in and return (name, password hash); `None` while the login rests or is disabled."""
    limits = {"most": MOST_TRIES, "rest": REST}
    row = cursor.execute(_SQL["take_try"], {"organization": organization_id, "id": staff_id, **limits}).fetchone()
    return None if row is None else (row[0], row[1])


def start_session(cursor: Cursor[Any], organization_id: str, staff_id: str, token_hash: bytes) -> str | None:
    """Begin a session, forget wrong tries and sessions that are over; return the name, `None` when disabled."""
    keys = {"organization": organization_id, "id": staff_id}
    row = cursor.execute(_SQL["signed_in"], keys).fetchone()
    if row is None:
        return None
    cursor.execute(_SQL["end_old_sessions"], {**keys, "longest": LONGEST, "idle": IDLE})
    cursor.execute(_SQL["add_session"], {**keys, "token_hash": token_hash})
    return str(row[0])


def find_session(cursor: Cursor[Any], token_hash: bytes) -> tuple[Staff, bool] | None:
    """Return who is signed in with this token, and whether the session should be noted as alive."""
    limits = {"longest": LONGEST, "idle": IDLE}
    row = cursor.execute(_SQL["find_session"], {"token_hash": token_hash, **limits}).fetchone()
    return None if row is None else (Staff(str(row[0]), str(row[1]), *row[2:5]), row[5])


def note_session(cursor: Cursor[Any], token_hash: bytes) -> None:
    """Note that a session is in use."""
    cursor.execute(_SQL["note_session"], {"token_hash": token_hash})


def end_session(cursor: Cursor[Any], token_hash: bytes) -> None:
    """End one session."""
    cursor.execute(_SQL["end_session"], {"token_hash": token_hash})


def set_password(cursor: Cursor[Any], organization_id: str, staff_id: str, password: str) -> None:
    """Store a hashed password, lift a lock and end every session of this login."""
    keys = {"organization": organization_id, "id": staff_id}
    cursor.execute(_SQL["set_password"], {**keys, "password": password})
    cursor.execute(_SQL["end_sessions"], keys)


def disable(cursor: Cursor[Any], organization_id: str, staff_id: str) -> None:
    """Let this login in no more, and end its sessions."""
    keys = {"organization": organization_id, "id": staff_id}
    cursor.execute(_SQL["disable"], keys)
    cursor.execute(_SQL["end_sessions"], keys)


def add_link(cursor: Cursor[Any], organization_id: str, staff_id: str, token_hash: bytes) -> datetime:
    """Store a one-time link; return when it expires."""
    keys = {"organization": organization_id, "id": staff_id}
    cursor.execute(_SQL["end_old_links"], keys)
    row = cursor.execute(_SQL["add_link"], {**keys, "token_hash": token_hash, "valid": LINK_VALID}).fetchone()
    assert row is not None
    expires_at: datetime = row[0]
    return expires_at


def find_link(cursor: Cursor[Any], token_hash: bytes) -> tuple[str, str, str] | None:
    """Return (organization, id, name) of whom a link lets in; nothing is used up."""
    row = cursor.execute(_SQL["find_link"], {"token_hash": token_hash}).fetchone()
    return None if row is None else (str(row[0]), str(row[1]), row[2])


def use_link(cursor: Cursor[Any], token_hash: bytes) -> bool:
    """Use a link up; return whether it was there to be used."""
    return cursor.execute(_SQL["use_link"], {"token_hash": token_hash}).fetchone() is not None
