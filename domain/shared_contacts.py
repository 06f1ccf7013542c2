"""Which phone numbers and email addresses are held by so many people that they say nothing about one?"""

from collections.abc import Iterable, Sequence, Set

from domain.evidence import Identity, compare_birth_dates
from domain.likeness import SLIPS, compare_given, compare_surname
from domain.match_keys import MatchKey
from domain.names import PersonName

SURNAMES_OF_A_FAMILY = 2


def shared_contacts(
    record: Identity, patients: Sequence[Identity], people: int, crowded: Set[MatchKey]
) -> frozenset[str]:
    """Return the contacts of a record that `people` different people hold, or more than were looked up.

    The front desk's number, a shelter's, a carrier's default, a care home's mailbox: nobody lists them, the patients
    who hold them show it. A family keeps its phone. patients: those found for the record, in a fixed order.
    """
    return frozenset(
        contact
        for kind, contacts in (("phone", record.phones), ("email", (record.mailbox,)))
        for contact in contacts
        if contact
        and (
            MatchKey(kind, contact) in crowded
            or _hold_apart([each for each in patients if contact in (*each.phones, each.mailbox)], people)
        )
    )


def _hold_apart(holders: Sequence[Identity], people: int) -> bool:
    """Tell whether those who hold a contact are too many: `people` of several surnames, or twice as many of one."""
    if len(holders) < people:
        return False
    different: list[Identity] = []
    surnames: list[PersonName] = []
    for holder in holders:
        if _is_among(holder, different):
            continue
        different.append(holder)
        name = holder.name
        if name.surname and all(compare_surname(name, each) == "different" for each in surnames):
            surnames.append(name)
        if len(different) >= (people if len(surnames) >= SURNAMES_OF_A_FAMILY + 1 else 2 * people):
            return True
    return False


def _is_among(holder: Identity, others: Iterable[Identity]) -> bool:
    """Tell whether a patient may be one of the others, in a second record: then they do not count as two."""
    name = holder.name
    return (not name.given and not name.surname) or any(
        compare_given(name, other.name) in {"", "equal", "nickname", "spelling", "initial", "part", "torn", *SLIPS}
        and compare_surname(name, other.name) != "different"
        and compare_birth_dates(holder.birth_date, other.birth_date) != "different"
        for other in others
    )
