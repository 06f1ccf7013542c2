"""Under which keys is a person looked up, and locked?"""

from functools import lru_cache
from typing import NamedTuple

from domain.evidence import Identity


class MatchKey(NamedTuple):
    """A property that two records of one person are likely to share."""

    kind: str
    key: str


@lru_cache(maxsize=4096)  # a record's, and its patient's before and after: asked for three times as a rule
def match_keys(identity: Identity) -> frozenset[MatchKey]:
    """Return the match keys of a record or a patient: six or seven as a rule.

    Two that can match share one. Where a tier rests on the external id, the phone or the email, that is a key of its
    own. The demographics tier rests on the date of birth, which alone is shared by dozens in a million, and on
    something of the name: with a typo in the surname the given name is still there, with a nickname the surname, with
    a typo in both their initials. The keys do not say which name is which, nor which number of a date is the
    month, so that swapped ones are found. Who lacks one of the three has the name with the phone as a key, to be
    found again behind a phone that hundreds share. Placeholders make no key.
    """
    keys = {MatchKey("external_id", f"{type_id}:{value}") for type_id, value in identity.external_ids}
    keys.update(MatchKey("phone", phone) for phone in identity.phones)
    if identity.mailbox:
        keys.add(MatchKey("email", identity.mailbox))
    name, born = identity.name, identity.birth_date
    if not (born and name.given and name.surname):
        keys.update(MatchKey("phone_name", f"{phone} {name.given} {name.surname}") for phone in identity.phones[:1])
    if born:
        day = "-".join((born[:4], *sorted((born[5:7], born[8:]))))
        words = {name.given, *name.given_words[:1], name.surname, *name.surname_words[:3]}
        keys.update(MatchKey("birth_name", f"{day} {word}") for word in words if len(word) > 1 or not word.isascii())
        if name.given and name.surname:
            initials = "".join(sorted((name.given[0], name.surname[0])))
            keys.add(MatchKey("birth_initials", f"{day} {initials}"))
    return frozenset(keys)
