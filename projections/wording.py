"""How do people say it? Fields, sources, reasons and values of the ledger in plain words. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any

import phonenumbers

from domain.organization import Organization

LABELS = {
    "date_of_birth": "date of birth",
    "dob": "date of birth",
    "phone_number": "phone",
    "additional_phone_number": "additional phone",
    "address2": "address line 2",
    "physician_address_2": "physician address line 2",
    "physician_npi": "physician NPI",
    "zip": "ZIP code",
    "physician_zip": "physician ZIP code",
    "icd_codes": "ICD codes",
    "external_id": "external id",
    "workflow_stage_id": "workflow stage",
    "assigned_user_id": "assigned user",
    "location_id": "location",
    "insurance_id": "insurance",
    "payors": "insurance",
    "payor_responsibility": "responsibility",
    "insured_member_id": "member id",
    "first_communication_at": "first contact",
}

SOURCES = {
    "form": "a form",
    "call": "a call",
    "api": "the API",
    "file": "a file",
    "sms": "a text message",
    "fax": "a fax",
    "chat_agent": "the chat agent",
    "manual": "manual entry",
    "bulk_import": "a bulk import",
    "eligibility": "an eligibility check",
}
"""Source → how it follows "through"."""

CHANNELS = {
    "sms": "text",
    "call": "call",
    "email": "email",
    "fax": "fax",
    "chat": "chat",
    "letter": "letter",
    "in_person": "visit",
}

TIERS = {
    "external_id": "external id",
    "demographics": "name and date of birth",
    "phone_fuzzy_name": "phone and a fitting name",
    "email_fuzzy_name": "email and a fitting name",
}

_EVIDENCE = {
    "equal": "same {}",
    "different": "different {}",
    "nickname": "{} is a short form",
    "spelling": "{} in another spelling",
    "initial": "{} is the initial",
    "part": "{} fits in part",
    "torn": "{} fits with the letter behind it",
    "overlap": "{} with a part in common",
    "former": "former {}",
    "drifted": "{} near the present one, far from the first",
    "swapped": "{} swapped",
    "typo": "{} off by a typo",
    "misspelt": "{} spelt differently",
    "ending": "{} with another ending",
    "similar": "similar {}",
    "alike": "{} alike but not the same",
    "doubtful": "same {}, though a doubtful one",
    "month_day_swapped": "{} with month and day swapped",
    "additional": "{} known as the additional one",
    "both_additional": "same additional {}",
    "shared": "{} shared by many people",
    "refused": "{} refused when it was locked",
    "placeholder": "{} only a placeholder",
    "one_sided": "{} on one side only",
}
_COMPARED = (
    "external_id", "first_name", "middle_name", "last_name", "suffix", "date_of_birth", "gender", "phone", "email",
)  # fmt: skip

_REASONS = {
    "tie": "several fit equally well",
    "less_evidence": "less evidence",
    "later_tier": "fits only at a later step",
    "names": "the names do not fit",
    "twins": "they may be twins",
    "reported": "somebody reported it",
    "placeholder_name": "the name is only a placeholder",
    "shared_contact": "phone or email shared by many people",
    "contact": "phone or email differ",
    "additional_phone": "known by the additional phone only",
}
"""Why a patient was not, or not surely, who a record meant; other reasons are the field that left a doubt."""

OPEN_FIELDS = frozenset(
    {
        "workflow_stage_id", "assigned_user_id", "location_id", "first_communication_at", "first_communication_on",
        "payors.payor_responsibility", "referral.location_id", "name", "expires_at",
        "region", "close_variants", "overlay", "time_zone", "possible_duplicate",
    }
)  # fmt: skip
"""What says nothing of a person, and is shown to everybody on the staff."""

_PHONES = frozenset({"phone_number", "additional_phone_number", "physician_phone", "physician_fax", "phone"})
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[^ ]*")


def label(field: str) -> str:
    """Return a field's name as people say it; a path is said part by part: "insurance 1, subscriber, date of birth"."""
    words: list[str] = []
    for part in field.split("."):
        if part.isdecimal() and words:
            words[-1] += f" {int(part) + 1}"
        else:
            words.append(LABELS.get(part, part.replace("_", " ")))
    return ", ".join(words)


def capital(text: str) -> str:
    """Return the text with its first letter in upper case, the others as they are."""
    return text[:1].upper() + text[1:]


def evidence(words: Mapping[str, str]) -> str:
    """Return evidence as a phrase: "same first name and date of birth; different phone"."""
    alike: dict[str, list[str]] = {}
    for field in sorted(words, key=lambda field: (words[field] == "different", _place(field))):
        alike.setdefault(words[field], []).append(label(field))
    return "; ".join(
        _EVIDENCE.get(word, f"{{}} {word.replace('_', ' ')}").format(listed(fields)) for word, fields in alike.items()
    )


def doubt(reason: str) -> str:
    """Return why a patient was not, or not surely, who a record meant: "several fit equally well"."""
    return _REASONS.get(reason) or f"the {label(reason)} leaves a doubt"


def _place(field: str) -> int:
    return _COMPARED.index(field) if field in _COMPARED else len(_COMPARED)


def listed(words: Iterable[str]) -> str:
    """Return "a, b and c"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def who(actor: str, organization: Organization | None = None) -> str:
    """Return the name behind an actor: the key's name, the person at the terminal, the job."""
    kind, _, name = actor.partition(":")
    if kind == "key" and organization is not None and name in organization.api_keys:
        return organization.api_keys[name].name
    return {"key": f"API key {name}", "operator": f"{name} (operator)", "job": f"{name} (job)"}.get(kind, name or kind)


def source(word: str) -> str:
    """Return a source as it follows "through"."""
    return SOURCES.get(word, word.replace("_", " "))


@dataclass(frozen=True)
class Display:
    """How values are shown: instants in this zone; `masked` for people who may not see the patient's values."""

    zone: tzinfo = UTC
    masked: bool = False

    def value(self, field: str, value: Any) -> str:
        """Return a JSON value of this field as text for people."""
        if value is None:
            return "nothing"
        name = field.rpartition(".")[2]
        if self.masked and field not in OPEN_FIELDS:
            return mask(name, value)
        return self._readable(name, value)

    def _readable(self, name: str, value: Any) -> str:
        match value:
            case bool():
                return "yes" if value else "no"
            case Mapping():
                told = [(str(key), each) for key, each in value.items() if each not in (None, "", [], {})]
                return "; ".join(f"{label(key)}: {self._readable(key, each)}" for key, each in told) or "nothing"
            case list() | tuple():
                apart = " · " if any(isinstance(each, Mapping) for each in value) else ", "
                return apart.join(self._readable(name, each) for each in value) or "nothing"
            case str() if _DATE.fullmatch(value):
                return day(value)
            case str() if _INSTANT.fullmatch(value):
                return self.date(value) if name.endswith("_on") else self.moment(value)
            case str() if name in _PHONES or value.startswith("+"):
                return phone(value)
        return str(value)

    def moment(self, at: str | datetime) -> str:
        """Return an instant as "4 May 2024, 14:02"; what is no instant is returned as it is."""
        local = self._local(at)
        return local if isinstance(local, str) else f"{local.day} {local:%b %Y, %H:%M}"

    def date(self, at: str | datetime) -> str:
        """Return the day of an instant as "4 May 2024"."""
        local = self._local(at)
        return local if isinstance(local, str) else f"{local.day} {local:%b %Y}"

    def _local(self, at: str | datetime) -> datetime | str:
        """Return the instant in the zone; as it is when it is none, or when the calendar ends before it gets there."""
        try:
            parsed = datetime.fromisoformat(at) if isinstance(at, str) else at
            return parsed.astimezone(self.zone) if parsed.tzinfo is not None else parsed
        except (ValueError, OverflowError):
            return at


PLAIN = Display()
"""Everything readable, in UTC: what the API, the command line and the exports show."""


def day(iso: str) -> str:
    """Return an ISO date as "3 Mar 1980"; what the calendar does not know is returned as it is."""
    try:
        at = datetime.strptime(iso, "%Y-%m-%d")  # noqa: DTZ007 # a date of the calendar has no zone
    except ValueError:
        return iso
    return f"{at.day} {at:%b %Y}"


@lru_cache(maxsize=16_384)
def phone(text: str) -> str:
    """Return E.164 as people write it: "(212) 555-0142", "+44 20 7946 0958"; an extension stays behind it."""
    number, _, extension = text.partition(" x")
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return text
    home = parsed.country_code == 1
    form = phonenumbers.PhoneNumberFormat.NATIONAL if home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    shown = phonenumbers.format_number(parsed, form)
    return f"{shown} x{extension}" if extension else shown


def mask(field: str, value: Any) -> str:
    """Return what may be seen of a value without the right to see it: enough to recognise it, not to use it."""
    if not isinstance(value, str):
        return "•••"
    if field in _PHONES and len(value) >= 10 and value.startswith("+"):
        return f"(•••) •••-•{value.partition(' ')[0][-3:]}"
    if field == "email" and "@" in value:
        return f"{value[:1]}•••@•••"
    if field in ("date_of_birth", "dob") and _DATE.fullmatch(value):
        return f"•• ••• {value[:4]}"
    if field.endswith("name"):
        return " ".join(f"{word[:1]}•••" for word in value.split())
    if field in ("external_id", "value") and len(value) > 4:
        return f"•••{value[-2:]}"
    return "•••"
