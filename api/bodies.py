"""Can this body be read? Only an unreadable body is refused; what is inside is the record's affair."""

import re
from typing import Any

import orjson
from falcon import Request

from domain.errors import LedgerError

MAX_DEPTH = 64

_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class BodyTooLarge(LedgerError):
    """The body is larger than allowed; send fewer or shorter values."""


class NotJSON(LedgerError):
    """The body is not valid JSON in UTF-8 (a lone surrogate is not valid either)."""


class NotAnObject(LedgerError):
    """The body is not a JSON object."""


class TooDeep(LedgerError):
    """The body is nested deeper than 64 levels."""


class NulCharacter(LedgerError):
    """The body contains the character NUL, which no text can hold."""


def read_bytes(req: Request, limit: int) -> bytes:
    """Return the body; at most `limit` bytes are ever read. BodyTooLarge beyond that."""
    if (req.content_length or 0) > limit:
        raise BodyTooLarge(limit_bytes=limit)
    body: bytes = req.bounded_stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(limit_bytes=limit)
    return body


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in these bytes. NotJSON, NotAnObject, TooDeep or NulCharacter otherwise."""
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise TooDeep
    if _NUL_ESCAPE.search(body):
        raise NulCharacter
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJSON from None
    if not isinstance(value, dict):
        raise NotAnObject
    return value


_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def _depth(body: bytes) -> int:
    """Return how deep objects and lists nest, without building them."""
    depth = deepest = 0
    for token in _STRUCTURE.finditer(body):
        match token.group()[:1]:
            case b"[" | b"{":
                depth += 1
                deepest = max(deepest, depth)
            case b"]" | b"}":
                depth -= 1
    return deepest
