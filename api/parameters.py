"""What do the parameters of a request say?"""

from datetime import UTC, datetime
from uuid import UUID

from falcon import Request

from domain.errors import BadParameter, UnknownPatient
from domain.ledger import Caller


def caller(req: Request) -> Caller:
    """Return who asks, as events tell it."""
    principal = req.context.principal
    return Caller(principal.organization_id, principal.actor, req.context.request_id)


def patient_id(text: str) -> str:
    """Return the canonical id; what is no UUID names no patient (UnknownPatient)."""
    try:
        return str(UUID(text))
    except ValueError:
        raise UnknownPatient from None


def whole_number(req: Request, name: str, default: int, *, least: int, most: int) -> int:
    """Return a whole number between `least` and `most`. BadParameter otherwise."""
    text = req.get_param(name)
    if text is None:
        return default
    if not text.isdecimal() or not least <= int(text[:20]) <= most:
        raise BadParameter(parameter=name)
    return int(text)


def flag(req: Request, name: str) -> bool:
    """Return true or false; missing is false. BadParameter for anything else."""
    text = req.get_param(name)
    if text not in (None, "", "true", "false"):
        raise BadParameter(parameter=name)
    return text == "true"


def moment(text: str, name: str) -> datetime:
    """Return the instant of ISO 8601 text; without a zone it is UTC. BadParameter otherwise."""
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadParameter(parameter=name) from None
