"""Which of the members that a sender made up can be kept?"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from domain.dropped import Reason, Unusable
from domain.record import field_name
from domain.rules import Context, clean
from domain.text import tidy, unreadable_text
from domain.values import NOTES_LIMIT, TEXT_LIMIT

MAX_FIELDS = 200
MAX_DEPTH = 64
_LEAST, _GREATEST = -(2**63), 2**64 - 1
"""Between these every JSON reader we rely on returns a whole number as it was; those beyond may arrive as floats."""


def clean_custom_fields(sent: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return the members that can be kept, as they are; null and blank ones were not provided.

    A value may be any JSON of up to 10,000 characters, nested up to 64 deep. Names are tidied; of names that
    become the same the last one counts.
    """
    kept: dict[str, Any] = {}
    for name, value in sent.items():
        path = f"custom_fields.{field_name(name)}"
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if len(kept) == MAX_FIELDS:
            clean(_one_too_many, None, context, path)
            break
        if clean(_named, name, context, path) and clean(_storable, value, context, path) is not None:
            kept[tidy(name)] = value
    return kept


def _one_too_many(_value: None, _context: Context, _path: str) -> None:
    raise Unusable(Reason.TOO_MANY)


def _named(name: str, _context: Context, _path: str) -> str:
    if len(name) > TEXT_LIMIT:
        raise Unusable(Reason.TOO_LONG)
    if unreadable_text(name) or not tidy(name):
        raise Unusable(Reason.NOT_TEXT)
    return name


def _storable(value: Any, _context: Context, _path: str) -> Any:
    room = NOTES_LIMIT
    waiting = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        room -= len(part) if isinstance(part, str) else 1
        if room < 0:
            raise Unusable(Reason.TOO_LONG)
        if depth > MAX_DEPTH:
            raise Unusable(Reason.TOO_DEEP)
        match part:
            case str() if unreadable_text(part):
                raise Unusable(Reason.NOT_TEXT)
            case float() if not isfinite(part):
                raise Unusable(Reason.NOT_A_NUMBER)
            case int() | float() if not _LEAST <= part <= _GREATEST:
                raise Unusable(Reason.OUT_OF_RANGE)
            case dict():
                waiting.extend((inner, depth + 1) for pair in part.items() for inner in pair)
            case list():
                waiting.extend((inner, depth + 1) for inner in part)
    return value
