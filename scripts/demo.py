"""What does a first call need? The organization `demo`, made on an empty database, and `demo.json` that tells of it."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from api.bootstrap import build_ledger, new_id
from api.keys import new_key
from api.panel import accounts
from domain.commands import AddReferenceItem, CreateOrganization
from domain.errors import UnknownOrganization
from domain.ledger import Ledger
from domain.organization import KINDS, Organization
from domain.receipt import Caller

LOCK = 0x1ED6E2_0008
"""Advisory lock key: one program at a time makes the organization."""

ITEMS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "external-id-type": [("MRN", {}), ("Intake form", {})],
    "location": [("Main Street Clinic", {}), ("Riverside Clinic", {})],
    "workflow-stage": [("New", {"order": 1}), ("Verified", {"order": 2}), ("Scheduled", {"order": 3})],
    "user": [("Dana Reyes", {"email": "dana@clinic.example"}), ("Sam Okafor", {"email": "sam@clinic.example"})],
    "insurance": [("Blue Ridge Health", {}), ("Lakeside Mutual", {})],
}
"""Kind → (name, details) of the reference data."""


def prepare(database_url: str, path: Path, base_url: str) -> dict[str, Any] | None:
    """Make the organization where the database is empty, write `path` (mode 0600) and return what it says.

    What an interrupted run left undone is done. `None` when the database holds other data than what `path` tells of.
    """
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        row = owner.execute("SELECT position FROM ledger_head").fetchone()
        with build_ledger(database_url) as ledger:
            told = _read(path)
            if row == (0,):
                told = {"organization_id": str(new_id())}
                _write(path, told)
                ledger.administer(CreateOrganization(name="demo"), _caller(told["organization_id"]))
            organization = _find(ledger, told.get("organization_id"))
            if organization is None:
                return None
            told = _complete(ledger, organization, told) | {"base_url": base_url}
            link = _sign_in_link(ledger, organization.id)
    _write(path, told)
    return told | {"history_path": link}


def _sign_in_link(ledger: Ledger, organization_id: str) -> str:
    """Return the path of a link that signs somebody in once who may see everything of the organization."""
    login = f"demo-{organization_id[-6:]}"
    if login not in [account.login for account in accounts.members(ledger, organization_id)]:
        accounts.add_member(ledger, organization_id, login=login, name="Demo Auditor", role="auditor")
    return accounts.new_link(ledger, login)[0]


def _complete(ledger: Ledger, organization: Organization, told: dict[str, Any]) -> dict[str, Any]:
    caller = _caller(organization.id)
    for kind, items in ITEMS.items():
        there = {item["name"] for item in getattr(organization, KINDS[kind][0]).values()}
        for name, details in items:
            if name not in there:
                add = AddReferenceItem(kind=kind, item_id=str(new_id()), name=name, details=details)
                organization = ledger.administer(add, caller)
    api_key = told.get("api_key")
    if api_key is None:
        api_key, issue = new_key("demo")
        organization = ledger.administer(issue, caller)
    return {
        "base_url": "",
        "organization_id": organization.id,
        "api_key": api_key,
        **{
            collection: [
                {"id": item["id"], "name": item["name"]} for item in getattr(organization, collection).values()
            ]
            for collection, _ in KINDS.values()
        },
    }


def _find(ledger: Ledger, organization_id: str | None) -> Organization | None:
    if organization_id is None:
        return None
    try:
        return ledger.organization(organization_id)
    except UnknownOrganization:
        return None


def _caller(organization_id: str) -> Caller:
    return Caller(organization_id, "job:serve", f"serve_{uuid4().hex}", source="manual")


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _write(path: Path, told: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(told, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
