"""Why was a value that a partner sent not used?

A record that is bad in parts is no error: what cannot be used is dropped, told to the partner and kept in the
history.
"""

import dataclasses
import re
from enum import StrEnum

OFFERED_LIMIT = 200
MORE = "(more)"
"""Field name of the one drop that stands for all which are not listed."""

_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Reason(StrEnum):
    """A machine word for why a field was dropped, with one line of explanation for people."""

    explanation: str

    def __new__(cls, word: str, explanation: str) -> "Reason":
        """Return the member `word`, carrying its explanation."""
        reason = str.__new__(cls, word)
        reason._value_ = word
        reason.explanation = explanation
        return reason

    NOT_TEXT = "not_text", "Text was expected; an object, a list, true or false cannot be read as text."
    NOT_A_NUMBER = "not_a_number", "A number was expected."
    NOT_A_BOOLEAN = "not_a_boolean", "True or false was expected."
    NOT_AN_OBJECT = "not_an_object", "A JSON object was expected."
    NOT_A_LIST = "not_a_list", "A JSON list was expected."
    TOO_LONG = "too_long", "The value is longer than the field allows."
    TOO_MANY = "too_many", "The list is longer than allowed; this entry and all after it were left out."
    TOO_DEEP = "too_deep", "The value is nested too deeply."
    OUT_OF_RANGE = "out_of_range", "The number is too large or too precise to be kept exactly; send an id as text."
    UNKNOWN_FIELD = "unknown_field", "There is no field of this name."
    UNKNOWN_ID = "unknown_id", "The id is not one of the organization's own."
    UNKNOWN_CHOICE = "unknown_choice", "The value is not one of the documented choices."
    INCOMPLETE = "incomplete", "An external id needs both its type and its value."
    NOT_A_DATE = "not_a_date", "The value is in none of the documented date formats."
    IMPOSSIBLE_DATE = "impossible_date", "The calendar has no such day, or the day no such time."
    FUTURE_DATE = "future_date", "A date of birth cannot lie in the future."
    TOO_LONG_AGO = "too_long_ago", "The date is more than 130 years ago."
    NOT_A_PHONE = "not_a_phone", "The value cannot be a phone number."
    NOT_AN_EMAIL = "not_an_email", "The value cannot be an email address."
    PLACEHOLDER = "placeholder", "The value only fills the field, such as 9999999999 or none@none.com."
    PHONE_LOCKED = "phone_locked", "The phone number is kept since the first communication with the patient."
    OVERLAY_HELD = "overlay_held", "The external id is this patient's, but the record describes somebody else."
    NOT_LISTED = "not_listed", "More was dropped than is listed."


@dataclasses.dataclass(frozen=True)
class Dropped:
    """A value that was sent and not used.

    `field` is its path (`payors.0.subscriber.dob`), `reason` a word of `Reason`, `offered` what was sent as
    text, cut at 200 characters; `None` where it was an object, a list or a field that does not exist. It is
    not part of `repr`: it tells of a patient.
    """

    field: str
    reason: str
    offered: str | None = dataclasses.field(default=None, repr=False)


class Unusable(ValueError):
    """The value cannot be used."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.value)


def drop(path: str, reason: Reason, value: object = None) -> Dropped:
    """Return the drop of `value`, a JSON value, at `path`."""
    return Dropped(path, reason.value, offered_text(value))


def offered_text(value: object) -> str | None:
    """Return a JSON scalar as text fit to store and show, cut at 200 characters; `None` for anything else."""
    match value:
        case str():
            return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value[:OFFERED_LIMIT])
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 512:
            return None
        case int() | float():
            return str(value)[:OFFERED_LIMIT]
    return None
