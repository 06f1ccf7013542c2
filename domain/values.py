"""What does a JSON value say where text, a number or yes-or-no is expected?

These are the field types of the record's models. They read forgivingly; what they cannot read is refused with
a `Reason` as pydantic's error type, never with the value. `None` is "not provided": null, and text that is
blank.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from domain.dropped import Reason
from domain.text import tidy, tidy_lines, verbatim

TEXT_LIMIT = 200
LONG_TEXT_LIMIT = 2_000
NOTES_LIMIT = 10_000

_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMERIC = re.compile(r"[+-]?\$?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)%?")
_ORNAMENTS = re.compile("[$,%]")
_GREATEST = 10**15
_PLACES = 12
_DIGITS = 28  # what Python's default decimal context holds exactly
_FLAGS = {
    **dict.fromkeys(("true", "yes", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "n", "f", "0"), False),
}


def refusal(reason: Reason) -> PydanticCustomError:
    """Return the error that carries a reason out of a field type; it never quotes the value."""
    return PydanticCustomError(reason.value, "{explanation}", {"explanation": reason.explanation})


def read_text(value: object, *, clean: Callable[[str], str], limit: int) -> str | None:
    """Return a JSON value as clean text of at most `limit` characters; numbers are read as text."""
    if value is None:
        return None
    text = clean(value if isinstance(value, str) else _number_text(value))
    if len(text) > limit:
        raise refusal(Reason.TOO_LONG)
    if _SURROGATE.search(text):
        raise refusal(Reason.NOT_TEXT)
    return text or None


def _number_text(value: object) -> str:
    if isinstance(value, bool):
        raise refusal(Reason.NOT_TEXT)
    if isinstance(value, int):
        if value.bit_length() > 512:  # Python refuses to print very long numbers
            raise refusal(Reason.TOO_LONG)
        return str(value)
    if isinstance(value, float) and isfinite(value):
        if abs(value) >= 2**53:  # so do whole numbers beyond 64 bits arrive, and two ids would read as one
            raise refusal(Reason.OUT_OF_RANGE)
        return str(int(value)) if value.is_integer() else str(value)
    raise refusal(Reason.NOT_TEXT)


def read_number(value: object) -> int | str | None:
    """Return a whole number as int, any other as decimal text ("12.5", never "12.50" or a binary float).

    Numeric text is accepted, with a leading $, a trailing % or thousands commas. At most 10^15 and 12
    decimals.
    """
    match value:
        case None:
            return None
        case int() if not isinstance(value, bool):
            if abs(value) > _GREATEST:
                raise refusal(Reason.OUT_OF_RANGE)
            return value
        case float() if isfinite(value):
            return _decimal(str(value))
        case str():
            text = tidy(value[:TEXT_LIMIT])
            if not text:
                return None
            if _NUMERIC.fullmatch(text):
                return _decimal(_ORNAMENTS.sub("", text))
    raise refusal(Reason.NOT_A_NUMBER)


def _decimal(text: str) -> int | str:
    if len(text) > _DIGITS:
        raise refusal(Reason.OUT_OF_RANGE)
    number = Decimal(text).normalize()
    exponent = number.as_tuple().exponent
    if abs(number) > _GREATEST or not isinstance(exponent, int) or exponent < -_PLACES:
        raise refusal(Reason.OUT_OF_RANGE)
    return int(number) if exponent >= 0 else f"{number:f}"


def read_flag(value: object) -> bool | None:
    """Return a JSON value as true or false; "yes", "no", "true", "false", 1 and 0 are read too."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = tidy(value[:TEXT_LIMIT]).lower()
        if not word:
            return None
        if word in _FLAGS:
            return _FLAGS[word]
    elif isinstance(value, int | float) and value in (0, 1):
        return value == 1
    raise refusal(Reason.NOT_A_BOOLEAN)


def read_object(value: object) -> dict[str, Any] | None:
    """Return a JSON object as it is; an empty one is as good as none."""
    if value is None or isinstance(value, dict):
        return value or None
    raise refusal(Reason.NOT_AN_OBJECT)


def _text_schema(limit: int) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "number", "null"], "maxLength": limit})


Text = Annotated[str | None, PlainValidator(partial(read_text, clean=tidy, limit=TEXT_LIMIT)), _text_schema(TEXT_LIMIT)]
"""One line."""
Texts = Annotated[list[Text], Field(max_length=100)]
LongText = Annotated[
    str | None,
    PlainValidator(partial(read_text, clean=tidy, limit=LONG_TEXT_LIMIT)),
    _text_schema(LONG_TEXT_LIMIT),
]
"""One line that may be long: an address, a link."""
Notes = Annotated[
    str | None,
    PlainValidator(partial(read_text, clean=tidy_lines, limit=NOTES_LIMIT)),
    _text_schema(NOTES_LIMIT),
]
"""Text with line breaks."""
Verbatim = Annotated[
    str | None, PlainValidator(partial(read_text, clean=verbatim, limit=TEXT_LIMIT)), _text_schema(TEXT_LIMIT)
]
"""An identifier of another system: trimmed, otherwise literal."""
Number = Annotated[
    int | str | None,
    PlainValidator(read_number),
    WithJsonSchema({"type": ["number", "string", "null"], "description": "A number, or one written as text."}),
]
Flag = Annotated[
    bool | None,
    PlainValidator(read_flag),
    WithJsonSchema(
        {
            "type": ["boolean", "string", "integer", "null"],
            "description": 'True or false; "yes", "no", 1, 0 work too.',
        }
    ),
]
Members = Annotated[
    dict[str, Any] | None,
    PlainValidator(read_object),
    WithJsonSchema({"type": ["object", "null"], "additionalProperties": True}),
]
"""A JSON object with names of the sender's choice."""


class Sent(BaseModel):
    """A part of a record, as it was sent. Unknown members are let through here and told by `read_record`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
