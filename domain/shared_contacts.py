"""Which phone numbers and email addresses are held by so many people that they say nothing about one?"""

from collections.abc import Iterable, Sequence, Set

from domain.evidence import Identity, compare_birth_dates
from domain.likeness import SLIPS, compare_given, compare_surname
from domain.match_keys import MatchKey


def shared_contacts(
    record: Identity, patients: Sequence[Identity], people: int, crowded: Set[MatchKey]
) -> frozenset[str]:
    """Return the contacts of a record that `people` different people hold, or more than were looked up.

    The front desk's number, a shelter's, a carrier's default, a care home's mailbox: nobody lists them, the patients
    who hold them show it. A family of four keeps its phone. patients: those found for the record, in a fixed order.
    """
    return frozenset(
        contact
        for kind, contacts in (("phone", record.phones), ("email", (record.mailbox,)))
        for contact in contacts
        if contact
        and (
            MatchKey(kind, contact) in crowded
            or _held_by([each for each in patients if contact in (*each.phones, each.mailbox)], people)
        )
    )


def _held_by(holders: Sequence[Identity], people: int) -> bool:
    if len(holders) < people:
        return False
    different: list[Identity] = []
    for holder in holders:
        if not _is_among(holder, different):
            different.append(holder)
            if len(different) == people:
                return True
    return False


def _is_among(holder: Identity, others: Iterable[Identity]) -> bool:
    """Tell whether a patient may be one of the others, in a second record: then they do not count as two."""
    name = holder.name
    return (not name.given and not name.surname) or any(
        compare_given(name, other.name) in {"", "equal", "nickname", "spelling", "initial", "part", *SLIPS}
        and compare_surname(name, other.name) != "different"
        and compare_birth_dates(holder.birth_date, other.birth_date) != "different"
        for other in others
    )
