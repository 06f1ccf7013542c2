"""Which of several candidates has all of the evidence on its side, and which deserve a person's look?"""

from collections.abc import Sequence

from domain.evidence import Evidence
from domain.likeness import SLIPS

_SAME_NAME = frozenset({"equal", "nickname", "spelling", "initial", "part", "torn", "former", "swapped", *SLIPS})
_WEIGHTS = {
    "equal": 4,
    "doubtful": 4,
    "nickname": 3,
    "spelling": 3,
    "swapped": 3,
    "former": 3,
    "part": 2,
    "initial": 2,
    "additional": 2,
    "torn": 1,
    "typo": 1,
    "misspelt": 1,
    "ending": 1,
    "similar": 1,
    "overlap": 1,
    "alike": 1,
    "month_day_swapped": 1,
    "different": -1,
    "one_sided": -1,
}
"""An order of the words within one field, for comparing candidates; not a score, and never summed."""


def single_out(evidence: Sequence[Evidence]) -> int | None:
    """Return the place of the one that no other beats in any field, and that beats each other in some field.

    If one has the phone on its side and another the email, neither is singled out: that would be a guess.
    """
    if len(evidence) == 1:
        return 0
    weights = [_weigh(each) for each in evidence]
    for place, mine in enumerate(weights):
        others = weights[:place] + weights[place + 1 :]
        if all(mine != theirs and all(a >= b for a, b in zip(mine, theirs, strict=True)) for theirs in others):
            return place
    return None


def _weigh(evidence: Evidence) -> tuple[int, ...]:
    """Return an order in each field. That the sex is the same singles nobody out; that it is another counts against."""
    words = (
        evidence.first_name,
        evidence.last_name,
        evidence.date_of_birth,
        evidence.phone,
        evidence.email,
        evidence.middle_name,
        evidence.suffix,
        evidence.external_id,
    )
    return (*(_WEIGHTS.get(word, 0) for word in words), -(evidence.gender == "different"))


def may_be_one_person(evidence: Evidence) -> bool:
    """Tell whether a person should look at two that did not match.

    They should when the names are close and something else agrees; when date of birth, surname and contact agree,
    whatever the given names: twins, and the newborn who has got a name; and when given name and contact agree, whatever
    the surname: a marriage, or Unknown. Family members of another age need no look, unless they are namesakes.
    """
    first, last, born = evidence.first_name, evidence.last_name, evidence.date_of_birth
    phone, email = evidence.phone, evidence.email
    contact = evidence.contact_agrees or phone in {"shared", "both_additional", "refused"} or email == "shared"
    same_birth = born not in {"", "different"}
    surname_close = last in {"equal", "part", "typo", "similar", "former", "swapped", "overlap", "drifted"}
    if first in _SAME_NAME and surname_close:
        return contact or same_birth
    if born == "different":
        return False
    if surname_close and evidence.contact_agrees and same_birth:
        return True
    if first in {"alike", "drifted"} and surname_close:
        return contact or born == "equal"
    if first == "overlap" and surname_close:
        return born == "equal"
    if surname_close and first in {"", "placeholder"}:
        return evidence.contact_agrees or born == "equal"
    if last == "different" and not born:
        return first in {"equal", "nickname"} and evidence.contact_agrees
    return first in _SAME_NAME and evidence.contact_agrees


def disagrees_as_a_person(evidence: Evidence, *, renamed: bool) -> bool:
    """Tell whether two are two people by what no typo and no marriage explains.

    That is another given name, unless somebody goes by another of their names or a newborn got one (`renamed`); a name
    that is near, or another surname, beside another date of birth; both names; Jr and Sr.
    """
    first, last = evidence.first_name, evidence.last_name
    other_names = (first in {"different", "overlap", "alike"}) + (last == "different")
    if evidence.suffix == "different" or (other_names and evidence.date_of_birth == "different"):
        return True
    return other_names == 2 or (first == "different" and not renamed)
