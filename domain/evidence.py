"""What do a record and a patient say of each other, field by field?

In words, never values: evidence is stored with every match, told in every answer and shown to those who judge it.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA

from domain.likeness import SLIPS, are_swapped, compare_given, compare_middle, compare_surname
from domain.names import PersonName, parse_name
from domain.once import once
from domain.placeholders import (
    is_doubtful_birth_date,
    is_filler_phone,
    is_placeholder_birth_date,
    is_placeholder_email,
)

_STATED = ("date_of_birth", "gender", "phone", "additional_phone", "email", "external_ids")
_SEXES = {"m": "m", "male": "m", "man": "m", "boy": "m", "f": "f", "female": "f", "woman": "f", "girl": "f"}


@dataclass(frozen=True)
class Identity:
    """What a record says of who somebody is, or what is known of a patient. Values normalised, names as given.

    external_ids: (type id, value). created_…: the name the patient was created with. former_last_names: earlier ones.
    refused_phone: a number that came after the phone was locked.
    """

    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    date_of_birth: str | None = None
    gender: str | None = None
    phone: str | None = None
    additional_phone: str | None = None
    refused_phone: str | None = None
    email: str | None = None
    external_ids: tuple[tuple[str, str], ...] = ()
    created_first_name: str | None = None
    created_last_name: str | None = None
    former_last_names: tuple[str, ...] = ()

    @once
    def name(self) -> PersonName:
        """Return the name in comparable parts."""
        return parse_name(self.first_name, self.middle_name, self.last_name)

    @once
    def created_name(self) -> PersonName:
        """Return the name the patient was created with, in comparable parts."""
        return parse_name(self.created_first_name, None, self.created_last_name)

    @once
    def generation(self) -> str:
        """Return what the suffix says; where the name has none now, that of a name from before."""
        former = (parse_name(None, None, each) for each in reversed(self.former_last_names))
        return next((each.generation for each in (self.name, *former, self.created_name) if each.generation), "")

    @once
    def birth_date(self) -> str:
        """Return the date of birth; empty when it is missing or a placeholder."""
        return birth_date_in(self.date_of_birth)

    @once
    def phones(self) -> tuple[str, ...]:
        """Return the phone numbers that are no fillers, the main one first."""
        return phones_in(self.phone, self.additional_phone)

    @once
    def mailbox(self) -> str:
        """Return the email address; empty when it is missing or nobody's own."""
        return mailbox_in(self.email)


def birth_date_in(date_of_birth: str | None) -> str:
    """Return a date of birth as far as it says something; empty when it is missing or a placeholder."""
    return date_of_birth if date_of_birth and not is_placeholder_birth_date(date_of_birth) else ""


def phones_in(main: str | None, other: str | None) -> tuple[str, ...]:
    """Return the phone numbers that are no fillers, the main one first."""
    first = (main,) if main and not is_filler_phone(main) else ()
    return (*first, other) if other and other != main and not is_filler_phone(other) else first


def mailbox_in(email: str | None) -> str:
    """Return an email address as far as it says something; empty when it is missing or nobody's own."""
    return email if email and not is_placeholder_email(email) else ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How each field of a record relates to the patient's; empty where one of them does not say."""

    external_id: str = ""
    first_name: str = ""
    middle_name: str = ""
    last_name: str = ""
    suffix: str = ""
    date_of_birth: str = ""
    gender: str = ""
    phone: str = ""
    email: str = ""

    def told(self) -> dict[str, str]:
        """Return the fields that could be compared, and how they relate."""
        return {name: word for name in self.__slots__ if (word := getattr(self, name))}

    @property
    def contact_agrees(self) -> bool:
        """Return whether a phone number or an email address that few hold is the same."""
        return self.phone in {"equal", "additional"} or self.email == "equal"

    @property
    def contact_disagrees(self) -> bool:
        """Return whether contacts are known on both sides and none is the same."""
        return not self.contact_agrees and "different" in {self.phone, self.email}


def compare(record: Identity, patient: Identity, shared: Set[str] = frozenset()) -> Evidence:
    """Compare a record with a patient. `shared`: phone numbers and addresses that too many hold to be evidence.

    first_name, last_name: the words of `likeness`; also swapped, former (a name the patient bore before), drifted
    (near the present name, far from the first one), placeholder.
    suffix: equal, different, one_sided. phone: equal, additional (one side's additional number), both_additional
    (nothing but both sides' additional number), shared, refused (offered to the patient when its phone was locked),
    different.
    """
    one, other = record.name, patient.name
    born = compare_birth_dates(record.birth_date, patient.birth_date)
    first, last = _compare_names(one, other, patient, born)
    return Evidence(
        external_id=_compare_external_ids(record.external_ids, patient.external_ids),
        first_name=first,
        middle_name=compare_middle(one, other),
        last_name=last,
        suffix=_compare_generations(one.generation, patient.generation),
        date_of_birth=born,
        gender=compare_sexes(record.gender, patient.gender),
        phone=_compare_phones(record, patient, shared),
        email=_compare_mailboxes(record.mailbox, patient.mailbox, shared),
    )


def _compare_names(one: PersonName, other: PersonName, patient: Identity, born: str) -> tuple[str, str]:
    """Compare the names, also with those that the patient bore before.

    What a patient was once called stays true, so it may be recognised by it. And who was found by a slip of the name
    takes that slip as its name, so a second slip is measured from the name it was created with too: a chain of fuzzy
    matches may not walk it away from there (Robert, Rob, Robin, Robyn). A surname may change in law, so there the
    guard rests where the date of birth is equal.
    """
    first, last = compare_given(one, other), compare_surname(one, other)
    if first != "equal" and last != "equal" and are_swapped(one, other):
        return "swapped", "swapped"
    if first != "equal" and (created := compare_given(one, patient.created_name)):
        if first in {"alike", "overlap", "different"}:
            first = "former" if created == "equal" else created if created in SLIPS else first
        elif created in {"alike", "overlap", "different"}:
            first = "drifted"
    if last in {"typo", "similar", "overlap", "different"}:
        former = (parse_name(None, None, each) for each in (*patient.former_last_names, patient.created_last_name))
        words = {word for each in former if (word := compare_surname(one, each))}
        if last != "typo" and words & {"equal", "typo"}:
            last = "former" if "equal" in words else "typo"
        elif last != "different" and born != "equal" and words == {"different"}:
            last = "drifted"
    if one.given_is_placeholder or other.given_is_placeholder:
        first = "placeholder"
    if one.surname_is_placeholder or other.surname_is_placeholder:
        last = "placeholder"
    return first, last


@lru_cache(maxsize=16_384)
def compare_birth_dates(one: str, other: str) -> str:
    """Name how two ISO dates relate: equal, doubtful, typo, month_day_swapped or different; empty without both.

    doubtful: equal, but the default of some software. A typo is one digit changed, or two neighbours swapped.
    """
    if not one or not other:
        return ""
    if one == other:
        return "doubtful" if is_doubtful_birth_date(one) else "equal"
    if one[:4] == other[:4] and one[5:7] == other[8:] and one[8:] == other[5:7]:
        return "month_day_swapped"
    edits = OSA.distance(one.replace("-", ""), other.replace("-", ""), score_cutoff=1)
    return "typo" if edits <= 1 else "different"


def compare_sexes(one: str | None, other: str | None) -> str:
    """Name how two genders as given relate: equal or different; empty unless both say male or female."""
    a, b = (_SEXES.get((each or "").strip().lower(), "") for each in (one, other))
    return ("equal" if a == b else "different") if a and b else ""


def _compare_external_ids(one: tuple[tuple[str, str], ...], other: tuple[tuple[str, str], ...]) -> str:
    held: Mapping[str, str] = dict(other)
    words = {held[type_id] == value for type_id, value in one if type_id in held}
    return "equal" if True in words else "different" if words else ""


def _compare_generations(one: str, other: str) -> str:
    if one and other:
        return "equal" if one == other else "different"
    return "one_sided" if one or other else ""


def _compare_phones(record: Identity, patient: Identity, shared: Set[str]) -> str:
    ours, theirs = record.phones, patient.phones
    common = set(ours) & set(theirs)
    carrying = common - shared
    if record.phone == patient.phone and record.phone in carrying:
        return "equal"
    if carrying & {record.phone, patient.phone}:
        return "additional"
    if carrying:
        return "both_additional"
    if common:
        return "shared"
    if record.phone and record.phone == patient.refused_phone:
        return "refused"
    return "different" if ours and theirs and record.phone and patient.phone else ""


def _compare_mailboxes(one: str, other: str, shared: Set[str]) -> str:
    if not one or not other:
        return ""
    return "different" if one != other else "shared" if one in shared else "equal"


def restates(record: Identity, patient: Identity) -> bool:
    """Tell whether a record says of who it is just what is known of a patient, no more and no less.

    It is the same record once more: nobody could tell two such apart, so sending one again must not make a second,
    even where what it says would not do to recognise somebody. Placeholders for a name are still nobody's.
    """
    name = record.name
    if name != patient.name or name.given_is_placeholder or name.surname_is_placeholder:
        return False
    return all(getattr(record, each) == getattr(patient, each) for each in _STATED)
