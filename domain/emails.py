"""Which email address does a text name?"""

import re
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from domain.dropped import Reason, Unusable
from domain.placeholders import is_filler_email

_ORDINARY = re.compile(
    r"([a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([a-z0-9-]+(?:\.[a-z0-9-]+)+)"
)
_LONGEST = 254


def read_email(text: str) -> str:
    """Return an address in lower case; dots and plus tags are kept, the domain is not looked up.

    Raises `Unusable` for what is no address and for fillers such as none@none.com.
    """
    lowered = text.lower()
    email = _ordinary(lowered) or _validated(lowered)
    if is_filler_email(email):
        raise Unusable(Reason.PLACEHOLDER)
    return email


def _ordinary(lowered: str) -> str | None:
    """Return the address if it is plainly good: its domain is then judged once for all who share it."""
    match = _ORDINARY.fullmatch(lowered)
    if not match or len(lowered) > _LONGEST:
        return None
    return lowered if _is_domain(match[2]) else None


@lru_cache(maxsize=4096)
def _is_domain(domain: str) -> bool:
    try:
        return _validated(f"a@{domain}") == f"a@{domain}"
    except Unusable:
        return False


def _validated(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise Unusable(Reason.NOT_AN_EMAIL) from None
