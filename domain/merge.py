"""Are two patients one person? What somebody's answer means for both streams. Pure: states in, new facts out.

A merge keeps both streams. It can be undone exactly, because nothing is overwritten: see `golden_record`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from domain.entry import Envelope
from domain.errors import LedgerError
from domain.events import (
    DuplicateDismissed,
    Event,
    PatientMerged,
    PatientMergedInto,
    PatientRestored,
    PatientUnmerged,
)
from domain.golden_record import absorbed_ids
from domain.known_as import known_as
from domain.patient import Patient, evolve


class SamePatient(LedgerError):
    """These are one patient already."""


class MergedElsewhere(LedgerError):
    """One of the two was merged into another patient; review that patient, or undo that merge first."""


class NotMerged(LedgerError):
    """These two patients are not merged."""


class Told(NamedTuple):
    """The new facts of either stream; none where they already hold."""

    one: list[Event]
    other: list[Event]


def merge(survivor: Patient, other: Patient) -> Told:
    """Let the other patient live on in the survivor. SamePatient, MergedElsewhere.

    Only patients that live are merged, so no chain of merges ever closes to a ring.
    """
    if other.merged_into == survivor.id:
        return Told([], [])
    if survivor.id == other.id:
        raise SamePatient
    if survivor.merged_into is not None or other.merged_into is not None:
        raise MergedElsewhere
    assert survivor.organization_id == other.organization_id, "tenants never mix"
    merged = _merged(other)
    after = evolve(survivor, merged, _envelope(survivor))
    told = PatientMerged(**{**vars(merged), "changes": changes(survivor, after)})
    return Told([told], [PatientMergedInto(survivor_id=survivor.id)])


def _merged(other: Patient) -> PatientMerged:
    return PatientMerged(
        other_id=other.id,
        facts=dict(other.facts),
        external_ids={type_id: held["value"] for type_id, held in other.external_ids.items()},
        tags=list(other.tags),
        custom_fields=dict(other.custom_fields),
        referrals=[dict(held) for held in other.referrals],
        payors=[dict(held) for held in other.payors],
        first_communication_at=other.first_communication_at,
        possible_duplicates=dict(other.possible_duplicates),
        distinct_from=list(other.distinct_from),
        known_as=list(known_as(other)),
        changes={},
    )


def unmerge(survivor: Patient, other: Patient) -> Told:
    """Take the two apart again; each then stands as distinct from the other. NotMerged, MergedElsewhere.

    MergedElsewhere: the survivor was itself merged into another patient. The last merge is undone first.
    """
    if other.merged_into != survivor.id:
        raise NotMerged
    if survivor.merged_into is not None:
        raise MergedElsewhere
    parted = PatientUnmerged(other_id=other.id, changes={})
    after = evolve(survivor, parted, _envelope(survivor))
    told = PatientUnmerged(other_id=other.id, changes=changes(survivor, after))
    return Told([told], [PatientRestored(survivor_id=survivor.id)])


def dismiss(one: Patient, other: Patient) -> Told:
    """Tell both that the other is another person. SamePatient, MergedElsewhere."""
    if one.id == other.id:
        raise SamePatient
    if one.merged_into is not None or other.merged_into is not None:
        raise MergedElsewhere
    return Told(list(_dismissed(one, other)), list(_dismissed(other, one)))


def _dismissed(patient: Patient, other: Patient) -> Iterator[Event]:
    """Tell it of the other patient, and of those merged into it as far as they were flagged under their own id."""
    flagged = [each for each in patient.possible_duplicates if each in absorbed_ids(other.absorbed)]
    for other_id in (other.id, *flagged):
        if other_id not in patient.distinct_from:
            yield DuplicateDismissed(other_id=other_id)


def changes(before: Patient, after: Patient) -> dict[str, Any]:
    """Return field → [old, new] of what people see differ: facts, external ids, tags, custom fields, lock, and the
    numbers of payors and referrals."""
    old, new = dict(_shown(before)), dict(_shown(after))
    fields = sorted({*old, *new})
    return {name: [old.get(name), new.get(name)] for name in fields if old.get(name) != new.get(name)}


def _shown(patient: Patient) -> Iterator[tuple[str, Any]]:
    yield from patient.facts.items()
    yield "first_communication_at", patient.first_communication_at
    yield "tags", list(patient.tags)
    yield "payors", len(patient.payors)
    yield "referrals", len(patient.referrals)
    yield from ((f"custom_fields.{name}", value) for name, value in patient.custom_fields.items())
    yield from ((f"external_id.{type_id}", held["value"]) for type_id, held in patient.external_ids.items())


def _envelope(patient: Patient) -> Envelope:
    """Return an envelope to work out what will be seen; no instant of it is told."""
    return Envelope(patient.organization_id, patient.id, patient.updated_at, patient.source)
