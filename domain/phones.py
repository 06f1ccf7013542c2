"""Which phone number does a text name?"""

import re
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from domain.dropped import Reason, Unusable
from domain.placeholders import is_filler_phone

_NORTH_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?(?:\(([2-9][0-9]{2})\)|([2-9][0-9]{2}))[ .-]?([0-9]{3})[ .-]?([0-9]{4})")
"""What nearly every number in North America looks like; `phonenumbers` reads these the same, but slowly."""

_MEXICAN_PREFIX = re.compile("(?:1|44|45)([0-9]{10})")
"""What was dialled in Mexico before ten digits until 2019 (+52 1, 044, 045, 01), and still stands in many files."""

_NOT_DIGITS = re.compile("[^0-9]+")
_SHORTEST_FILLER = 7
_MEXICO = 52


class Phone(NamedTuple):
    """A phone number in E.164 ("+12125550142") and the digits of its extension."""

    number: str
    extension: str | None = None

    def __str__(self) -> str:
        """Return both in one text that reads back as the same: "+12125550142 x12"."""
        return f"{self.number} x{self.extension}" if self.extension else self.number


def read_phone(text: str, region: str) -> Phone:
    """Return the number that `text` names when it is dialled in `region` (ISO 3166, "US").

    *Possible* is enough: 555 numbers are, and so are local ones without an area code. Raises `Unusable` for
    what cannot be a number and for fillers such as 9999999999.
    """
    match = _NORTH_AMERICAN.fullmatch(text)
    if match and (text[0] == "+" or region in _NORTH_AMERICAN_REGIONS):
        bracketed, area, exchange, line = match.groups()
        phone = Phone(f"+1{bracketed or area}{exchange}{line}")
    else:
        phone = _parse(text, region)
    if is_filler_phone(phone.number):
        raise Unusable(Reason.PLACEHOLDER)
    return phone


def _parse(text: str, region: str) -> Phone:
    try:
        parsed = phonenumbers.parse(text, region)
    except NumberParseException:
        raise _refusal(text) from None
    if parsed.country_code == _MEXICO and (match := _MEXICAN_PREFIX.fullmatch(str(parsed.national_number))):
        parsed.national_number, parsed.italian_leading_zero = int(match[1]), False
    if not phonenumbers.is_possible_number(parsed):
        raise _refusal(text)
    return Phone(phonenumbers.format_number(parsed, PhoneNumberFormat.E164), parsed.extension or None)


def _refusal(text: str) -> Unusable:
    digits = _NOT_DIGITS.sub("", text)
    filled = len(digits) >= _SHORTEST_FILLER and is_filler_phone(f"+{digits}")
    return Unusable(Reason.PLACEHOLDER if filled else Reason.NOT_A_PHONE)


_NORTH_AMERICAN_REGIONS = frozenset(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1])
