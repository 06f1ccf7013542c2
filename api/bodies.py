"""Can this body be read? Only an unreadable body is refused; what is inside is the record's affair."""

import re
from typing import Any, TypeVar

import orjson
from falcon import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain.errors import LedgerError

MAX_DEPTH = 64

_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""Texts and brackets. A text that does not end is taken to its end at once: tried again from each quote within, a
body of quotes alone would cost minutes."""

Model = TypeVar("Model", bound=BaseModel)


class BodyTooLarge(LedgerError):
    """The body is larger than allowed; send fewer or shorter values."""


class NotJSON(LedgerError):
    """The body is not valid JSON in UTF-8 (a byte order mark or a lone surrogate is not valid either)."""


class NotAnObject(LedgerError):
    """The body is not a JSON object."""


class TooDeep(LedgerError):
    """The body is nested deeper than 64 levels."""


class NulCharacter(LedgerError):
    """The body contains the character NUL, which no text can hold."""


class UnusableMember(LedgerError):
    """A member of the body is missing or has a form that cannot be used."""


class Encoded(LedgerError):
    """The body is compressed; send it as plain JSON, without Content-Encoding."""


UNREADABLE = (NotJSON, NotAnObject, TooDeep, NulCharacter, BodyTooLarge, Encoded)
"""How a body can be refused."""


def read_bytes(req: Request, limit: int) -> bytes:
    """Return the body; at most `limit` bytes are ever kept. BodyTooLarge beyond that, Encoded when compressed.

    The Content-Type is not looked at: whatever a client's default says, the body is JSON or it is refused.
    """
    if (req.get_header("Content-Encoding") or "identity").lower() != "identity":
        raise Encoded
    length = req.content_length
    if length is not None and length > limit:
        raise BodyTooLarge(limit_bytes=limit)
    stream = req.stream if length is None and req.get_header("Transfer-Encoding") else req.bounded_stream
    with req.context.limits.reading(req.context.principal.organization_id):
        body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(limit_bytes=limit)
    req.context.body_is_read = True
    return body


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in these bytes. NotJSON, NotAnObject, TooDeep or NulCharacter otherwise."""
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise TooDeep
    if b"\\u0000" in body and _NUL_ESCAPE.search(body):
        raise NulCharacter
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJSON from None
    if not isinstance(value, dict):
        raise NotAnObject
    return value


def read_model(req: Request, limit: int, model: type[Model]) -> Model:
    """Return the body as this model. UnusableMember names those that do not fit, with what is expected of them."""
    try:
        return model.model_validate(parse_object(read_bytes(req, limit)))
    except ValidationError as error:
        wrong = {str(each["loc"][0]): each for each in error.errors(include_input=False, include_url=False)}
        raise UnusableMember(members={name: _expected(model, name, each) for name, each in wrong.items()}) from None


def _expected(model: type[BaseModel], name: str, error: ErrorDetails) -> str:
    """Return what a member may be, in words; pydantic's own would repeat parts of the value."""
    if error["type"] == "missing" and error["loc"] == (name,):
        return "It is missing."
    if "expected" in error.get("ctx", {}):
        return f"One of {error['ctx']['expected']}."
    return model.model_fields[name].description or ""


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
