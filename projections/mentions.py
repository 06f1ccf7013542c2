"""Where else does the log tell of a patient that is to be erased, or was?

An erasure removes what stands in the patient's own stream, and in those of patients merged into it. The streams of
others may hold some of it too: a record that described this patient and came with another one's external id was
written there, a merge that was undone leaves what it carried over, and either goes on from there (`carried_values`).
Such places are named and not erased: which of these values are the other patient's own, only somebody who knows both
can say.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from domain.entry import decode
from domain.events import Event, OverlaySuspected, PatientMerged, PatientUnmerged
from domain.golden_record import absorbed_ids
from domain.ledger import Ledger
from domain.patient import Patient
from projections.carried_values import Versions, carried_on
from projections.statements import statements

_SQL = statements("history")

OFFERED = "a record that described the erased patient came with this one's external id"
CARRIED_OVER = "the erased patient was merged into this one and taken apart again"
COPIED = "a patient whose stream may hold values of the erased one was merged into this one"
UNREADABLE = "an entry that may tell of the erased patient cannot be read"

STRETCH = 100_000
"""So many positions are looked through at a time: all at once, a log of millions took longer than a statement may."""

_TELL_OF_OTHERS = (OverlaySuspected, PatientMerged, PatientUnmerged)
_SAME_PERSON = ("first_name", "last_name", "date_of_birth")


class Mention(NamedTuple):
    """Versions of another patient's stream that may hold values of the erased one, and why. No value."""

    patient_id: str
    versions: tuple[int, ...]
    why: str


def mentions(ledger: Ledger, patient: Patient) -> list[Mention]:
    """Return where other streams tell of the patient, given as it was before the erasure; by id alone afterwards.

    Reads every suspected overlay and every merge of the organization, and the streams that are named.
    """
    ids = {patient.id, *absorbed_ids(patient.absorbed)}
    facts = [patient.facts, *(layer["facts"] for layer in patient.absorbed)]
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    his: Versions = defaultdict(set)
    joined: dict[str, set[str]] = defaultdict(set)
    merged: dict[tuple[str, str], int] = {}
    for stream, version, event, with_it in _told_of_others(ledger, patient.organization_id):
        if stream in ids:
            continue
        if isinstance(event, PatientMerged):
            joined[stream].update(_ids(event))
        if event is None:
            found[stream, UNREADABLE].add(version)
        elif _offers(event, ids, facts):
            found[stream, OFFERED].update(with_it)
            his[stream].update(with_it)
        elif isinstance(event, PatientMerged) and ids & _ids(event):
            merged[stream, event.other_id] = version
        elif isinstance(event, PatientUnmerged) and (began := merged.pop((stream, event.other_id), None)):
            found[stream, CARRIED_OVER].update(range(began, version + 1))
            his[stream].add(began)
    carried, unreadable = carried_on(ledger, patient.organization_id, his, joined)
    for stream, versions in carried.items():
        why = next((each for each in (OFFERED, CARRIED_OVER) if (stream, each) in found), COPIED)
        known = {version for (of, _), its in found.items() if of == stream for version in its}
        found[stream, why].update(versions - known)
        found[stream, UNREADABLE].update(unreadable[stream])
    named = ((stream, tuple(sorted(versions)), why) for (stream, why), versions in found.items() if versions)
    return sorted(Mention(*each) for each in named)


def _told_of_others(ledger: Ledger, organization_id: str) -> Iterator[tuple[str, int, Event | None, list[int]]]:
    """Yield (stream, version, event, the versions that came with it); no statement reads more than a stretch."""
    keys = {"organization": organization_id, "topics": [kind.__name__ for kind in _TELL_OF_OTHERS]}
    head = ledger.recorder.max_notification_id() or 0
    with ledger.recorder.reading(organization_id) as cursor:
        for after in range(0, head, STRETCH):
            rows = cursor.execute(_SQL["told_of_others"], {**keys, "after": after, "up_to": after + STRETCH})
            yield from ((str(row[0]), row[1], _read(*row[2:5]), row[5]) for row in rows.fetchall())


def _read(topic: str, schema_version: int, state: bytes) -> Event | None:
    try:
        return decode(topic, schema_version, state)
    except Exception:  # noqa: BLE001 - whatever somebody put there
        return None


def _ids(event: PatientMerged) -> set[str]:
    return {event.other_id, *(each["id"] for each in event.known_as)}


def _offers(event: Event, ids: Collection[str | None], facts: Iterable[Mapping[str, str]]) -> bool:
    """Tell whether a record told in another stream was this patient's: by id, or by name and date of birth."""
    if not isinstance(event, OverlaySuspected):
        return False
    offered = _who(event.offered)
    return event.other_id in ids or (None not in offered and any(_who(held) == offered for held in facts))


def _who(facts: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(None if (value := facts.get(name)) is None else value.casefold() for name in _SAME_PERSON)
