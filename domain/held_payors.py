"""What do the payors of a record change of those that a patient has?

They are a desired state, decided as one: two of them may mean the same payor, and a repeated record must find nothing
left to say. So they are put in turn until that is so, and only the differences to what is held are told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from domain.events import Event, PayorAdded, PayorChanged
from domain.golden_record import PAYOR_KEY
from domain.json_values import same_json

Payor = Mapping[str, Any]

ROUNDS = 4
"""A second round finds nothing left in all but odd lists; a payor can only be added while keys still fill up."""


def put_payors(held: Sequence[Mapping[str, Any]], sent: Sequence[Payor], new_ids: Iterator[str]) -> list[Event]:
    """Return the changes of the payors that are held, then the ones to add.

    held: a patient's payors, each with its `id` and `payor`. new_ids: ids for what is added.
    """
    before = [each["payor"] for each in held]
    after = _put(before, sent)
    for _ in range(ROUNDS):
        again = _put(after, sent)
        if again == after:
            break
        after = again
    told: list[Event] = []
    for each, payor in zip(held, after, strict=False):
        new = {name: value for name, value in payor.items() if not same_json(each["payor"].get(name), value)}
        if new:
            told.append(PayorChanged(payor_id=each["id"], old={name: each["payor"].get(name) for name in new}, new=new))
    return told + [PayorAdded(payor_id=next(new_ids), payor=dict(payor)) for payor in after[len(before) :]]


def _put(payors: Sequence[Payor], sent: Iterable[Payor]) -> list[Payor]:
    """Merge each one into the payor with the same key, as far as its key was given; otherwise add it.

    A payor that says nothing new changes nothing. One that could be several of those held is the one with the very same
    key, or one more.
    """
    put = list(payors)
    for offered in sent:
        if any(_merged(payor, offered) == payor for payor in put):
            continue
        same = [place for place, payor in enumerate(put) if _is_same(payor, offered)]
        if len(same) > 1:
            same = [place for place in same if _key(put[place]) == _key(offered)]
        if len(same) == 1:
            put[same[0]] = _merged(put[same[0]], offered)
        else:
            put.append(offered)
    return put


def _is_same(payor: Payor, offered: Payor) -> bool:
    """Tell whether the key of `offered`, as far as it was given, is that of a payor.

    One that names no insurance (its id may have been dropped) never overwrites one that does, unless the member id
    says that it is the same.
    """
    key = _key(offered)
    if "insurance_id" in payor and "insurance_id" not in key:
        member = key.get("insured_member_id")
        return member is not None and payor.get("insured_member_id") == member
    return bool(key) and all(payor.get(name, value) == value for name, value in key.items())


def _key(payor: Payor) -> dict[str, Any]:
    return {name: payor[name] for name in PAYOR_KEY if name in payor}


def _merged(payor: Payor, offered: Payor) -> dict[str, Any]:
    """Return the payor with the values that were offered; the subscriber is merged value by value."""
    merged = {**payor, **offered}
    if isinstance(payor.get("subscriber"), Mapping) and isinstance(offered.get("subscriber"), Mapping):
        merged["subscriber"] = {**payor["subscriber"], **offered["subscriber"]}
    return merged
