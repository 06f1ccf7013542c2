"""What does each tier of the cascade ask of the evidence, and for what reason does it refuse?

Each function returns `None` where the tier is not in question, `HOLDS` where it holds, or else the reason why it
does not, as a short word for people to read.
"""

from domain.evidence import Evidence, Identity, restates
from domain.likeness import SLIPS

HOLDS = ""
_SAME_DAY = frozenset({"equal", "doubtful"})
_NEAR_DAY = frozenset({"typo", "month_day_swapped"})


def exact_demographics(evidence: Evidence) -> str | None:
    """Judge equal first name, last name and date of birth, after folding.

    - suffix: Jr and Sr on one birthday are father and son, one of them with the other's date.
    - date_of_birth: so many have a default date that it does not outweigh other contacts or another sex.
    - middle_name: two full middle names that differ tell namesakes apart, unless a contact says it is one person, and
      no two ids of one type say that they are twins.
    """
    if (evidence.first_name, evidence.last_name) != ("equal", "equal"):
        return None
    if evidence.date_of_birth not in _SAME_DAY:
        return "date_of_birth" if evidence.date_of_birth in _NEAR_DAY else None
    if evidence.suffix == "different":
        return "suffix"
    if evidence.date_of_birth == "doubtful" and (evidence.contact_disagrees or evidence.gender == "different"):
        return "date_of_birth"
    if evidence.middle_name == "different" and (not evidence.contact_agrees or evidence.external_id == "different"):
        return "middle_name"
    return HOLDS


def close_demographics(evidence: Evidence) -> str | None:
    """Judge names that are not equal but close, with the date of birth equal.

    One of the two is equal and the other off by something that happens to one person: a nickname, an initial, a slip,
    half of a compound, a former name. Or each has a typo, or the two are swapped.

    - suffix, gender, middle_name: what of the rest is different makes two people of two names.
    - contact: half a surname and a former one are weak, and contacts that differ outweigh them.
    - twins: see `_twins`. first_name: alike or with a word in common, but two names.
    """
    first, last = evidence.first_name, evidence.last_name
    if evidence.date_of_birth != "equal":
        return None
    if first == "equal":
        in_question = last in {"typo", "part", "former"}
    elif last == "equal":
        in_question = first in {"nickname", "spelling", "initial", "part", "torn", "former", "alike", "overlap", *SLIPS}
    else:
        in_question = first == "swapped" or (last == "typo" and first in {"nickname", "typo", "misspelt"})
    if not in_question:
        return None
    if first in {"alike", "overlap"}:
        return "first_name"
    if evidence.suffix == "different":
        return "suffix"
    if last in {"part", "former"} and evidence.contact_disagrees:
        return "contact"
    return _another_person(evidence) or _twins(evidence)


def shared_contact(word: str, evidence: Evidence, record: Identity, patient: Identity) -> str | None:
    """Judge a fuzzy name beside an equal phone number or email address; `word` says how the contact relates.

    A family shares its contacts and its surname, so the given name decides, and what else is known may refuse:

    - shared_contact: too many different people hold it, unless the record says just what is known of one of them.
    - additional_phone: it needs the date of birth, or is nobody's main number.
    - date_of_birth: known on both sides and different by more than a typo.
    - suffix, gender, middle_name, twins, external_id: see the functions below.
    - first_name, last_name: too far apart for what else is known.
    """
    if word not in {"equal", "additional", "both_additional", "shared"}:
        return None
    if restates(record, patient):
        return HOLDS
    if evidence.date_of_birth == "different":
        refusal = "date_of_birth"
    elif evidence.suffix == "different":
        refusal = "suffix"
    elif "placeholder" in (evidence.first_name, evidence.last_name):
        refusal = "placeholder_name"
    elif evidence.date_of_birth == "equal":
        refusal = _name_with_birth_date(evidence)
    elif evidence.date_of_birth in _NEAR_DAY:
        refusal = _name_with_near_birth_date(evidence)
    else:
        refusal = "additional_phone" if word in {"additional", "both_additional"} else _name_alone(evidence)
    if refusal == HOLDS and word in {"shared", "both_additional"}:
        return "shared_contact" if word == "shared" else "additional_phone"
    return refusal


def _name_with_birth_date(evidence: Evidence) -> str:
    """Judge the name where contact and date of birth are the same: only a twin could be meant.

    With an equal given name the surname may be another one: a marriage, an added half, none given. Without it,
    the surname must be equal, off by a typo, similar or missing. Of two equal names `exact_demographics` has judged.
    """
    first, last = evidence.first_name, evidence.last_name
    if first not in {"equal", "swapped", "nickname", "spelling", "initial", "part", "torn", "former", *SLIPS}:
        return "first_name"
    if first in {"initial", "part", "torn", "former"} and last != "equal":
        return "last_name"
    if first not in {"equal", "swapped"} and last not in {"equal", "typo", "similar", ""}:
        return "last_name"
    return _another_person(evidence) or _twins(evidence)


def _name_with_near_birth_date(evidence: Evidence) -> str:
    """Judge the name where the date of birth may have a typo: there is no room for doubt in both.

    Twins born around midnight have dates one digit apart, so the given name must be equal or a nickname, and no middle
    name another. A father and a son of one name and birthday may have them too: a suffix on one side says it is they.
    """
    first, last = evidence.first_name, evidence.last_name
    if first not in {"equal", "nickname"}:
        return "first_name"
    if last not in {"equal", "typo"} or (first, last) == ("nickname", "typo"):
        return "last_name"
    if evidence.suffix == "one_sided":
        return "suffix"
    if first == "equal":
        return "middle_name" if evidence.middle_name == "different" else HOLDS
    return _another_person(evidence)


def _name_alone(evidence: Evidence) -> str:
    """Judge the name where a date of birth is missing: parents and children live on one phone.

    One of the names must be equal. A suffix on one side only, another sex or another middle name is then
    another member of the family; so is another id of the same type, unless the names are equal.
    """
    first, last = evidence.first_name, evidence.last_name
    if first not in {"equal", "nickname", *SLIPS}:
        return "first_name"
    if last not in {"equal", "typo", "similar"} or "equal" not in (first, last):
        return "last_name"
    if evidence.suffix == "one_sided":
        return "suffix"
    if evidence.external_id == "different" and (first, last) != ("equal", "equal"):
        return "external_id"
    return _another_person(evidence)


def _another_person(evidence: Evidence) -> str:
    """Return what says that two names, close or even equal, are two people's: another sex, another middle name.

    Where given names differ in the last vowel only, or one may be the other with an initial behind it, the sex must be
    known and the same.
    """
    if evidence.gender == "different" or (evidence.first_name in {"ending", "torn"} and evidence.gender != "equal"):
        return "gender"
    return "middle_name" if evidence.middle_name == "different" else HOLDS


def _twins(evidence: Evidence) -> str:
    """Return whether these may be twins: same date of birth, same surname and a contact in common.

    Then the given name must be equal, a nickname, or a slip that makes a non-word. An initial may be either's, and
    names that are each other's spelling (Zach, Zack) are what some parents choose. Two names that we do not know
    (Minjun, Minjung) are no slip where the partner knows two people, by ids of one type, contact or not.
    """
    if evidence.contact_agrees and evidence.first_name in {"initial", "spelling"}:
        return "twins"
    two_ids = evidence.external_id == "different"
    return "external_id" if two_ids and evidence.first_name in {"spelling", "misspelt", "ending"} else HOLDS
