"""What is a labelled set? Records, each with the person it is of, and what is expected of the matching."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple


class Labelled(NamedTuple):
    """A record as a partner sends it, and whose it really is."""

    person: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Expected:
    """The least that is expected; `None` where nothing is. most_wrong, most_unflagged: pairs."""

    precision: float | None = None
    recall: float | None = None
    most_wrong: int | None = None
    most_unflagged: int | None = None
    stable: float | None = None


@dataclass(frozen=True)
class LabelledSet:
    """A stream of records for one organization.

    pairs: the places of two records each, if just these pairs are looked at; otherwise every pair counts. region: of
    phone numbers without a country.
    """

    name: str
    records: Sequence[Labelled]
    expected: Expected
    pairs: Sequence[tuple[int, int]] | None = None
    region: str = "US"
    source: str = "generated"
    shuffles: int = field(default=0)


class Unavailable(Exception):
    """A set that cannot be had here; the message says why."""


def shuffled(records: Sequence[Labelled], seed: int) -> list[Labelled]:
    """Return the records in another order, the same for the same seed."""
    mixed = list(records)
    Random(seed).shuffle(mixed)
    return mixed
