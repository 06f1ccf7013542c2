"""Under which keys is a person looked up, and locked?"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from domain.evidence import Identity, phones_in
from domain.names import PersonName


class MatchKey(NamedTuple):
    """A property that two records of one person are likely to share."""

    kind: str
    key: str


_key: Callable[[tuple[str, str]], MatchKey] = partial(tuple.__new__, MatchKey)
"""Make a key of its pair, at half the price."""


def match_keys(identity: Identity) -> frozenset[MatchKey]:
    """Return the match keys of a record or a patient: six or seven as a rule.

    Two that can match share one. Where a tier rests on the external id, the phone or the email, that is a key of its
    own. The demographics tier rests on the date of birth, which alone is shared by dozens in a million, and on
    something of the name: with a typo in the surname the given name is still there, with a nickname the surname, with
    a typo in both their initials. The keys do not say which name is which, nor which number of a date is the
    month, so that swapped ones are found. Who lacks one of the three has the name with the phone as a key, to be
    found again behind a phone that hundreds share. Placeholders make no key.
    """
    known: dict[str, frozenset[MatchKey]] = vars(identity)
    return known.get("match_keys") or known.setdefault(  # asked for time and again
        "match_keys",
        keys_for(
            identity.external_ids,
            identity.name,
            identity.birth_date,
            (*identity.phones, *phones_in(identity.refused_phone, None)),
            identity.mailbox,
        ),
    )


def keys_for(
    external_ids: Iterable[tuple[str, str]], name: PersonName, born: str, phones: Sequence[str], mailbox: str
) -> frozenset[MatchKey]:
    """Return the match keys of whom an identity with these properties describes."""
    keys: set[tuple[str, str]] = set()
    given, surname = name.given, name.surname
    for type_id, value in external_ids:
        keys.add(("external_id", f"{type_id}:{value}"))
    for phone in phones:
        keys.add(("phone", phone))
    if mailbox:
        keys.add(("email", mailbox))
    if phones and not (born and given and surname):
        keys.add(("phone_name", f"{phones[0]} {given} {surname}"))
    if born:
        day = born if born[5:7] <= born[8:] else f"{born[:4]}-{born[8:]}-{born[5:7]}"
        for word in (given, *name.given_words[:1], surname, *name.surname_words[:3]):
            if len(word) > 1 or not word.isascii():
                keys.add(("birth_name", f"{day} {word}"))
        if given and surname:
            one, other = given[0], surname[0]
            keys.add(("birth_initials", f"{day} {one}{other}" if one <= other else f"{day} {other}{one}"))
    return frozenset(map(_key, keys))
