"""How far did values go from the entries that brought them?

What one record wrote into a stream goes on from there: a later one replaces it and tells what was there before, the
next record of the same person is taken for the other one's, and a merge copies it into one more stream.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from domain.entry import Entry
from domain.errors import UnreadableEntry
from domain.events import Event, PatientMatched
from domain.ledger import Ledger

Versions = dict[str, set[int]]
"""Stream → versions."""

_NO_VALUES = {
    *("evidence", "rivals", "tier", "rule_version", "reason", "field", "name", "distinct_from", "possible_duplicates"),
    *("id", "type_id", "other_id", "survivor_id", "payor_id", "referral_id", "created_at", "updated_at", "version"),
    "external_id",  # that a record came with: the other one's
}
"""Parts of events that tell nothing of a patient by themselves."""

_AS_SENT = {"custom_fields", "old", "new", "changes"}
"""Parts of events in which a partner chose the names: there each of them may tell of a patient."""


def carried_on(
    ledger: Ledger, organization_id: str, his: Mapping[str, Collection[int]], joined: Mapping[str, Collection[str]]
) -> tuple[Versions, Versions]:
    """Return the versions with values that came with `his` versions, and those of the same streams that are unreadable.

    his: stream → versions. joined: stream → the streams that were merged into it, where values go on to.
    """
    versions: Versions = {}
    unreadable: Versions = {}
    values: dict[str, set[str]] = {}
    waiting = [*his]
    while waiting:
        stream = waiting.pop()
        entries, unreadable[stream] = _read(ledger, organization_id, stream)
        came = {value for other in joined.get(stream, ()) for value in values.get(other, ())}
        versions[stream], reached = _walk(entries, his.get(stream, ()), came)
        if reached != values.get(stream, set()):
            values[stream] = reached
            waiting += [each for each, others in joined.items() if stream in others]
    return versions, unreadable


def _read(ledger: Ledger, organization_id: str, stream: str) -> tuple[list[Entry], set[int]]:
    entries: list[Entry] = []
    unreadable = set[int]()
    with ledger.recorder.reading(organization_id) as cursor:
        rows = ledger.recorder.select_stream(cursor, organization_id, stream)
    for row in rows:
        try:
            entries.append(ledger.mapper.to_domain_event(row))
        except UnreadableEntry:
            unreadable.add(row.originator_version)
    return entries, unreadable


def _walk(entries: Sequence[Entry], his: Collection[int], came: Collection[str]) -> tuple[set[int], set[str]]:
    """Return the versions that may hold values of the erased patient, and these values; those told before are not."""
    own, values, versions = set[str](), set[str](), set[int]()
    for _, together in groupby(entries, key=lambda entry: (entry.request_id, entry.recorded_at)):
        group = [(entry.originator_version, entry.event, {*_values(vars(entry.event))}) for entry in together]
        said = {value for _, _, its in group for value in its}
        if any(version in his or _is_found_by(event, values - own) for version, event, _ in group):
            versions |= {version for version, _, _ in group}
            values |= said - own
            continue
        holding = {version: its & (values | {*came}) - own for version, _, its in group}
        versions |= {version for version, its in holding.items() if its}
        values |= {value for its in holding.values() for value in its}
        own |= said - values
    return versions, values


def _is_found_by(event: Event, values: Collection[str]) -> bool:
    """Tell whether a record came with a name, birth date or contact that only the erased patient brought."""
    if not isinstance(event, PatientMatched):
        return False
    return any(
        name != "gender" and not {*_values({name: said})}.isdisjoint(values) for name, said in event.record.items()
    )


def _values(told: Any, without: Collection[str] = _NO_VALUES) -> Iterator[str]:
    """Yield what a part of an event tells of a patient, as text."""
    match told:
        case dict():
            for name, part in told.items():
                if name not in without:
                    yield from _values(part, () if name in _AS_SENT else without)
        case list() | tuple():
            for part in told:
                yield from _values(part, without)
        case bool() | None:
            return
        case _:
            yield str(told).casefold()
