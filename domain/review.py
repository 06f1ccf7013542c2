"""What do people say of two patients who may be one person? Merge, distinct, unmerge: each in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from domain import merge as merging
from domain.commands import DismissDuplicate, DismissOverlay, FlagPossibleDuplicate
from domain.errors import LedgerError, LedgerUnavailable, UnknownPatient, WriteConflict
from domain.events import Event, PossibleDuplicateFlagged
from domain.golden_record import absorbed_ids
from domain.known_as import keys_of_patient
from domain.ledger import ATTEMPTS, Ledger
from domain.patient import Patient, decide
from domain.receipt import Caller
from domain.store import Work

REPORTED = "reported"
"""The reason of a flag that a person has set."""


Reviewed = tuple[Patient, ...]
"""The patients that were decided on, as they are then: who goes on first; the other one, where there is one."""


class NotOfThePair(LedgerError):
    """The survivor must be one of the two patients, or the patient that one of them lives on in."""


class UnknownDuplicate(LedgerError):
    """There is no such pair in this organization."""


class OnePatient(LedgerError):
    """This is one patient whose record may hold two people; it can only be told `distinct`, for looked at."""


class Resolution(StrEnum):
    """What can be said of a pair."""

    MERGE = "merge"
    DISTINCT = "distinct"
    UNMERGE = "unmerge"


class Review:
    """People's answers, on a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def resolve(
        self, one_id: str, other_id: str, resolution: Resolution, caller: Caller, survivor_id: str | None = None
    ) -> Reviewed:
        """Carry out what was said of two patients; the survivor stands first, or the first of two distinct ones.

        Patients that are merged already are stood for by those they live on in. survivor_id: who goes on; by default
        the one that was there first. Of a pair with a patient that was erased, the other one is told `distinct` alone.
        UnknownPatient, NotOfThePair, SamePatient, MergedElsewhere, NotMerged.
        """
        if resolution is Resolution.UNMERGE:
            return self.unmerge(one_id, other_id, caller)
        if resolution is Resolution.DISTINCT and (left := self._left(one_id, other_id, caller)):
            return (left,)
        for _ in range(ATTEMPTS):
            one, other = (self.survivor(caller.organization_id, each) for each in (one_id, other_id))
            if one.id == other.id and resolution is Resolution.MERGE and one_id != other_id:
                return (one,)
            if resolution is Resolution.MERGE:
                one, other = _in_order(one, other, survivor_id, {one_id: one, other_id: other})
            decision = _merged if resolution is Resolution.MERGE else merging.dismiss
            decided = self._together(one, other, decision, caller)
            if decided is not None:
                return decided
        raise LedgerUnavailable(cause="contention")

    def unmerge(self, one_id: str, other_id: str, caller: Caller) -> Reviewed:
        """Take two patients apart again, whichever was merged into the other; the former survivor stands first."""
        for _ in range(ATTEMPTS):
            one, other = self._now(caller.organization_id, one_id), self._now(caller.organization_id, other_id)
            if one.merged_into == other.id:
                one, other = other, one
            decided = self._together(one, other, merging.unmerge, caller)
            if decided is not None:
                return decided
        raise LedgerUnavailable(cause="contention")

    def report(self, one_id: str, other_id: str, caller: Caller) -> Reviewed:
        """Tell that somebody takes two patients for one person. UnknownPatient, SamePatient."""

        def flagged(one: Patient, other: Patient) -> merging.Told:
            if one.id == other.id:
                raise merging.SamePatient
            return merging.Told(_reported(one, other), [])

        for _ in range(ATTEMPTS):
            one, other = (self.survivor(caller.organization_id, each) for each in (one_id, other_id))
            decided = self._together(one, other, flagged, caller)
            if decided is not None:
                return decided
        raise LedgerUnavailable(cause="contention")

    def dismiss_overlay(self, patient_id: str, caller: Caller) -> Reviewed:
        """Tell that a patient whose record may hold two people is one person."""
        return (self._ledger.change(patient_id, DismissOverlay(), caller),)

    def _left(self, one_id: str, other_id: str, caller: Caller) -> Patient | None:
        """Dismiss the flag of a patient whose other one was erased; return the patient, `None` when that is not so."""
        with self._ledger.recorder.unit_of_work([caller.organization_id]) as work:
            found = work.lock_patients(caller.organization_id, [one_id, other_id])
        gone = {one_id, other_id}.difference(each.id for each in found)
        if len(found) != 1 or len(gone) != 1 or not gone <= found[0].possible_duplicates.keys():
            return None
        return self._ledger.change(found[0].id, DismissDuplicate(other_id=gone.pop()), caller)

    def survivor(self, organization_id: str, patient_id: str) -> Patient:
        """Return the patient as it is now, or the one it lives on in. UnknownPatient."""
        found = self._now(organization_id, patient_id)
        while found.merged_into is not None:
            found = self._now(organization_id, found.merged_into)
        return found

    def _now(self, organization_id: str, patient_id: str) -> Patient:
        with self._ledger.recorder.unit_of_work([organization_id]) as work:
            found = work.lock_patients(organization_id, [patient_id])
        if not found:
            raise UnknownPatient
        return found[0]

    def _together(
        self, one: Patient, other: Patient, decision: Callable[[Patient, Patient], merging.Told], caller: Caller
    ) -> Reviewed | None:
        """Decide on both in one transaction; return them after it, `None` when that is to be tried again.

        The match keys of both are locked before their rows, as an upsert does it: a record that means one of them
        waits, and then finds whom it means now.
        """
        keys = {key for each in (one, other) for key in keys_of_patient(each)}
        try:
            with self._ledger.recorder.unit_of_work([caller.organization_id]) as work:
                work.look_up([(caller.organization_id, *key) for key in keys], known={}, limit=0)
                held = {each.id: each for each in work.lock_patients(caller.organization_id, [one.id, other.id])}
                if not held.keys() >= {one.id, other.id}:  # one was erased meanwhile
                    return None
                now = [(held[one.id], one), (held[other.id], other)]
                if any(a.merged_into != b.merged_into or not keys_of_patient(a) <= keys for a, b in now):
                    return None
                told = decision(held[one.id], held[other.id])
                self._append(work, caller, [(held[one.id], told.one), (held[other.id], told.other)])
                return work.state(one.id), work.state(other.id)
        except WriteConflict:
            return None

    def _append(self, work: Work, caller: Caller, told: Sequence[tuple[Patient, Sequence[Event]]]) -> None:
        drafts = [
            draft
            for patient, events in told
            for draft in self._ledger.drafts(caller, caller.source, patient.id, patient.version, events)
        ]
        if drafts:
            self._ledger.events.put(drafts, work=work)


def _reported(one: Patient, other: Patient) -> list[Event]:
    """Flag them, distinct ones too where no flag is left: what was said of a merged patient says nothing of a pair
    under the ids they have now, and by a flag the pair is found."""
    if other.id in one.distinct_from and not {one.id, other.id} & {
        *one.possible_duplicates,
        *other.possible_duplicates,
    }:
        return [PossibleDuplicateFlagged(other_id=other.id, reason=REPORTED, evidence={})]
    return decide(one, FlagPossibleDuplicate(other_id=other.id, reason=REPORTED))


def _merged(survivor: Patient, other: Patient) -> merging.Told:
    """Merge, and flag the two under the ids they have now where a merged patient's flag led here: by this flag the
    merge is found when it is to be undone."""
    told = merging.merge(survivor, other)
    own = survivor.possible_duplicates if survivor.own is None else survivor.own["possible_duplicates"]
    if not told.other or other.id in own:
        return told
    beneath = absorbed_ids(survivor.absorbed)
    known = [flag for each, flag in other.possible_duplicates.items() if each in beneath]
    unknown: Mapping[str, Any] = {"reason": REPORTED, "evidence": {}}
    flag = survivor.possible_duplicates.get(other.id) or next(iter(known), unknown)
    flagged = decide(other, FlagPossibleDuplicate(survivor.id, flag["reason"], flag["evidence"]))
    return told._replace(other=[*flagged, *told.other])


def _in_order(
    one: Patient, other: Patient, survivor_id: str | None, asked: dict[str, Patient]
) -> tuple[Patient, Patient]:
    """Return (survivor, other). NotOfThePair."""
    if survivor_id is None:
        first, second = sorted((one, other), key=lambda each: (each.created_at, each.id))
        return first, second
    survivor = {one.id: one, other.id: other, **asked}.get(survivor_id)
    if survivor is None:
        raise NotOfThePair
    return (one, other) if survivor is one else (other, one)
