"""How does somebody become one of the staff? Accounts and one-time links, for the command line and the demo."""

from datetime import datetime

import psycopg

from api.bootstrap import new_id
from api.panel import passwords
from domain.errors import LedgerError
from domain.ledger import Ledger
from projections import staff
from projections.staff import Account, Staff


class LoginTaken(LedgerError):
    """Somebody has this login already; it is unique in the whole database."""


class UnknownLogin(LedgerError):
    """Nobody has this login."""


class PasswordTooShort(LedgerError):
    """A password needs 12 characters at least."""


def add_member(
    ledger: Ledger, organization_id: str, *, login: str, name: str, role: str, password: str | None = None
) -> Staff:
    """Add one of the staff of an organization. LoginTaken, PasswordTooShort, UnknownOrganization."""
    if password is not None and len(password) < passwords.LEAST:
        raise PasswordTooShort
    clinic = ledger.organization(organization_id)
    member = Staff(clinic.id, str(new_id()), login.strip().lower(), name, role)
    hashed = None if password is None else passwords.hash_password(password)
    try:
        with ledger.recorder.reading(clinic.id) as cursor:
            staff.add(cursor, member, hashed)
    except psycopg.errors.UniqueViolation:
        raise LoginTaken from None
    return member


def new_link(ledger: Ledger, login: str) -> tuple[str, datetime]:
    """Return (path of a link that signs this login in once, when it expires). UnknownLogin."""
    organization_id, staff_id = _find(ledger, login)
    token = passwords.new_token()
    with ledger.recorder.reading(organization_id) as cursor:
        expires_at = staff.add_link(cursor, organization_id, staff_id, passwords.token_hash(token))
    return f"/panel/link/{token}", expires_at


def set_password(ledger: Ledger, login: str, password: str) -> None:
    """Give a login a new password, lift its lock and end its sessions. UnknownLogin, PasswordTooShort."""
    if len(password) < passwords.LEAST:
        raise PasswordTooShort
    organization_id, staff_id = _find(ledger, login)
    with ledger.recorder.reading(organization_id) as cursor:
        staff.set_password(cursor, organization_id, staff_id, passwords.hash_password(password))


def disable(ledger: Ledger, login: str) -> None:
    """Let a login in no more. UnknownLogin."""
    organization_id, staff_id = _find(ledger, login)
    with ledger.recorder.reading(organization_id) as cursor:
        staff.disable(cursor, organization_id, staff_id)


def members(ledger: Ledger, organization_id: str) -> list[Account]:
    """Return the staff of an organization. UnknownOrganization."""
    with ledger.recorder.reading(ledger.organization(organization_id).id) as cursor:
        return staff.accounts(cursor, organization_id)


def _find(ledger: Ledger, login: str) -> tuple[str, str]:
    with ledger.recorder.reading() as cursor:
        found = staff.find_by_login(cursor, login)
    if found is None:
        raise UnknownLogin
    return found
