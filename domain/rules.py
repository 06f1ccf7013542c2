"""By which rule does one sent value become a clean one?

A rule takes a value and where it stands, and returns the clean value, or `None` when nothing is left of it.
It raises `Unusable`, or tells `Context.drops` itself when it has parts of its own.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from domain import dates, emails, phones
from domain.dropped import Dropped, Reason, Unusable, drop
from domain.organization import Organization

_GAPS = re.compile("[ -]+")


@dataclass(frozen=True, slots=True)
class Context:
    """What a record is read against: whose it is and which day it is; `drops` collects what is told."""

    organization: Organization
    today: date
    drops: list[Dropped] = field(default_factory=list)


Rule = Callable[[Any, Context, str], Any]
"""(value, context, path) → clean value."""


def clean(rule: Rule, value: Any, context: Context, path: str) -> Any:
    """Return the clean value, or `None` after telling that it was dropped."""
    try:
        return rule(value, context, path)
    except Unusable as unusable:
        context.drops.append(drop(path, unusable.reason, value))
        return None


def keep(value: Any, _context: Context, _path: str) -> Any:
    """Return the value as it was read."""
    return value


def birth_date(value: str, context: Context, _path: str) -> str:
    """Return a date of birth, ISO 8601."""
    return dates.read_birth_date(value, context.today)


def plan_date(value: str, context: Context, _path: str) -> str:
    """Return the first or last day of something, ISO 8601."""
    return dates.read_plan_date(value, context.today)


def instant(value: str, context: Context, _path: str) -> str:
    """Return an instant, ISO 8601 in UTC."""
    return dates.read_instant(value, context.today)


def phone(value: str, context: Context, _path: str) -> str:
    """Return a phone or fax number in E.164, its extension behind it: "+12125550142 x12"."""
    return str(phones.read_phone(value, context.organization.region))


def email(value: str, _context: Context, _path: str) -> str:
    """Return an email address in lower case."""
    return emails.read_email(value)


def id_of(collection: str) -> Rule:
    """Return the rule that an id is in the organization's own `collection`; canonical UUID text comes out."""

    def own_id(value: str, context: Context, _path: str) -> str:
        own: Mapping[str, Any] = getattr(context.organization, collection)
        if value in own:
            return value
        try:
            canonical = str(UUID(value))
        except ValueError:
            canonical = ""
        if canonical not in own:
            raise Unusable(Reason.UNKNOWN_ID)
        return canonical

    return own_id


def one_of(choices: tuple[str, ...]) -> Rule:
    """Return the rule that a value is one of the choices; case does not matter, blanks are underscores."""

    def choice(value: str, _context: Context, _path: str) -> str:
        word = _GAPS.sub("_", value.lower())
        if word not in choices:
            raise Unusable(Reason.UNKNOWN_CHOICE)
        return word

    return choice


def each(rule: Rule) -> Rule:
    """Return the rule for a list: each entry by `rule`, what is not provided left out."""

    def entries(value: list[Any], context: Context, path: str) -> list[Any] | None:
        numbered = ((f"{path}.{index}", entry) for index, entry in enumerate(value) if entry is not None)
        cleaned = (clean(rule, entry, context, place) for place, entry in numbered)
        return [entry for entry in cleaned if entry is not None] or None

    return entries


def distinct(rule: Rule) -> Rule:
    """Return the rule for a list of texts, where the same twice is once."""

    def entries(value: list[Any], context: Context, path: str) -> list[Any] | None:
        return list(dict.fromkeys(each(rule)(value, context, path) or ())) or None

    return entries


def members(rules: Mapping[str, Rule]) -> Rule:
    """Return the rule for a part of a record: each member by its rule or as it is; `None` for none."""

    def part(value: BaseModel, context: Context, path: str) -> dict[str, Any] | None:
        cleaned = {
            name: clean(rules.get(name, keep), sent, context, f"{path}.{name}")
            for name, sent in value.__dict__.items()
            if sent is not None
        }
        return {name: kept for name, kept in cleaned.items() if kept is not None} or None

    return part
