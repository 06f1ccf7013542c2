"""`staff`: who of a clinic may look at the History panel."""

import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from api.panel import accounts
from api.settings import read_settings
from projections.staff import ROLES, Account
from scripts.verbs.connection import ledger, show
from scripts.verbs.organizations import AsJson, Name, OrganizationId, not_blank

staff = typer.Typer(help="Staff who may look at the History panel.", no_args_is_help=True)

Login = Annotated[
    str,
    typer.Argument(metavar="LOGIN", help="An email address or any other name to sign in with.", callback=not_blank),
]
Role = StrEnum("Role", {role.replace("-", "_").upper(): role for role in ROLES})  # type: ignore[misc] # from a table
CLINICIAN = Role("clinician")
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input; a link is made without.")
]
BaseUrl = Annotated[str | None, typer.Option(help="Where the service is reached; a link begins with it.")]


@staff.command("add")
def add(
    login: Login,
    organization: OrganizationId,
    name: Name,
    role: Annotated[Role, typer.Option(help="What they may see and do.")] = CLINICIAN,
    password_stdin: FromInput = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add one of the staff, with a password from standard input or a link that signs in once."""
    password = _password() if password_stdin else None
    with ledger() as opened:
        made = accounts.add_member(opened, organization, login=login, name=name, role=str(role), password=password)
        told = {"id": made.id, "login": made.login, "name": made.name, "role": made.role}
        if password is None:
            path, expires_at = accounts.new_link(opened, made.login)
            told |= {"link": _url(base_url, path), "link_expires_at": expires_at.isoformat()}
        show(told, as_json)


@staff.command("link")
def link(login: Login, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Make a link that signs this login in once, within a day; it works while the password rests."""
    with ledger() as opened:
        path, expires_at = accounts.new_link(opened, login)
        show({"login": login, "link": _url(base_url, path), "link_expires_at": expires_at.isoformat()}, as_json)


@staff.command("password")
def password(login: Login) -> None:
    """Set the password of a login from standard input; its sessions end and its lock is lifted."""
    with ledger() as opened:
        accounts.set_password(opened, login, _password())


@staff.command("disable")
def disable(login: Login) -> None:
    """Let a login in no more; its sessions end at once."""
    with ledger() as opened:
        accounts.disable(opened, login)


@staff.command("list")
def list_staff(organization: OrganizationId, as_json: AsJson = False) -> None:
    """List the staff of an organization."""
    with ledger() as opened:
        show([_line(each) for each in accounts.members(opened, organization)], as_json)


def _line(account: Account) -> dict[str, object]:
    values = zip(account._fields, account, strict=True)
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values}


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


def _url(base_url: str | None, path: str) -> str:
    if base_url is None:
        settings = read_settings()
        base_url = f"http://{settings.host}:{settings.port}"
    return base_url.rstrip("/") + path
