"""What do the parameters of a request say?"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from falcon import Request

from api.bodies import UnusableMember
from api.operations import Parameter, header, whole_number
from domain import idempotency
from domain.errors import BadParameter, UnknownPatient
from domain.idempotency import RequestKey
from domain.receipt import Caller
from domain.record import field_name

MOST_ITEMS = 500
LIMIT = whole_number("limit", "How many items a page has at most.", least=1, most=MOST_ITEMS, default=50)
DRY_RUN = Parameter(
    "dry_run", "Decide and answer, write nothing.", {"type": "string", "enum": ["true", "false"]}, example="false"
)

OWN = Parameter(
    "own",
    "Of a merged patient its own events, in place of those of the patient it lives on in.",
    {"type": "string", "enum": ["true", "false"]},
    example="false",
)

IDEMPOTENCY_KEY = header(
    "Idempotency-Key",
    "A name of your choice for this request, such as a UUID; quotes around it do not count. The same request under the"
    " same key is carried out once: for 30 days the first answer is given again, with `Idempotent-Replayed: true` (in a"
    " batch `replayed` in the line).",
    pattern='^"?[!#-~]{1,255}"?$',
)

_IDEMPOTENCY_KEY = re.compile('(?P<quote>"?)(?P<key>[!#-~]{1,255})(?P=quote)')


def caller(req: Request) -> Caller:
    """Return who asks, as events tell it."""
    principal = req.context.principal
    return Caller(principal.organization_id, principal.actor, req.context.request_id)


def request_key(req: Request, body: Mapping[str, Any], line: int | None = None) -> RequestKey | None:
    """Return the name that the sender gave this request, or this line of it. BadParameter when it is no key."""
    sent = req.get_header("Idempotency-Key")
    if sent is None:
        return None
    found = _IDEMPOTENCY_KEY.fullmatch(sent)
    if found is None:
        raise BadParameter(parameter="Idempotency-Key")
    principal = req.context.principal
    key = found["key"] if line is None else f"{found['key']} {line}"  # no key has a blank
    return idempotency.request_key(principal.organization_id, principal.actor, key, body)


def patient_id(text: str) -> str:
    """Return the canonical id; what is no UUID names no patient (UnknownPatient)."""
    try:
        return str(UUID(text))
    except ValueError:
        raise UnknownPatient from None


def limit(req: Request) -> int:
    """Return how many items a page may have."""
    return number(req, "limit", 50, least=1, most=MOST_ITEMS)


def number(req: Request, name: str, default: int, *, least: int, most: int) -> int:
    """Return a whole number between `least` and `most`. BadParameter otherwise."""
    text = req.get_param(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 20 or not least <= int(text) <= most:
        raise BadParameter(parameter=name)
    return int(text)


def id_cursor(req: Request, name: str) -> str | None:
    """Return a cursor that is an id. BadParameter when it is none."""
    text = req.get_param(name)
    try:
        return None if text is None else str(UUID(text))
    except ValueError:
        raise BadParameter(parameter=name) from None


def only(req: Request, names: Collection[str]) -> None:
    """Refuse parameters of other names, and those that come more than once: a mistyped `dry_run` must not write, nor a
    mistyped criterion find everybody. BadParameter."""
    for name, value in req.params.items():
        if name not in names or isinstance(value, list):
            raise BadParameter(parameter=field_name(name))


def choice(req: Request, name: str, choices: Sequence[str]) -> str | None:
    """Return one of `choices`; missing is `None`. BadParameter for anything else."""
    value = req.get_param(name)
    if value is not None and value not in choices:
        raise BadParameter(parameter=name)
    return value


def flag(req: Request, name: str) -> bool:
    """Return true or false; missing is false. BadParameter for anything else."""
    return choice(req, name, ("true", "false")) == "true"


def moment(text: str, name: str) -> datetime:
    """Return the instant of ISO 8601 text; without a zone it is UTC. BadParameter otherwise."""
    try:
        return in_utc(datetime.fromisoformat(text.replace(" ", "+")))
    except (ValueError, OverflowError):
        raise BadParameter(parameter=name) from None


def in_utc(at: datetime) -> datetime:
    """Return the instant in UTC; without a zone it is UTC already."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def in_the_past(at: datetime, member: str) -> datetime:
    """Return the instant in UTC; UnusableMember before 1901 or in the future, a minute of clock skew allowed."""
    if at.year < 1901 or at.year > 9998 or in_utc(at) > datetime.now(UTC) + timedelta(minutes=1):
        raise UnusableMember(members={member: "Not before 1901, and not in the future."})
    return in_utc(at)
