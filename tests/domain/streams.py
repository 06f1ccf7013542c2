"""Patients of one organization in memory, to merge and to take apart; told and stored as between two transactions."""

from typing import Any

from domain import merge as merging
from domain import patient
from domain.commands import Command, CreatePatient
from domain.entry import Envelope, canonical
from domain.events import Event
from domain.patient import Patient, evolve
from tests.domain.records import ORGANIZATION
from tests.kit import reloaded

ANN = "0190f7a0-0000-7000-8000-00000000000a"
BEA = "0190f7a0-0000-7000-8000-00000000000b"
CAT = "0190f7a0-0000-7000-8000-00000000000c"
DAN = "0190f7a0-0000-7000-8000-00000000000d"
TOLD_OF_IT = {"version", "updated_at", "distinct_from"}
"""What a merge and its undoing leave behind."""


class Streams:
    """Patients of one organization, each decided on and stored as it is between two transactions."""

    def __init__(self) -> None:
        self.states: dict[str, Patient] = {}
        self.told: dict[str, list[Event]] = {}
        self._instant = 0

    def tell(self, patient_id: str, *events: Event) -> None:
        """Append events."""
        for event in events:
            self._instant += 1
            at = f"2026-11-23T12:00:00.{self._instant:06}Z"
            envelope = Envelope(ORGANIZATION.id, patient_id, at, "api")
            self.states[patient_id] = reloaded(evolve(self.states.get(patient_id), event, envelope))
            self.told.setdefault(patient_id, []).append(event)

    def do(self, patient_id: str, *commands: Command) -> None:
        """Decide commands, one after another."""
        for command in commands:
            self.tell(patient_id, *patient.decide(self.states.get(patient_id), command))

    def create(self, patient_id: str, **facts: str) -> Patient:
        """Begin a stream."""
        self.do(patient_id, CreatePatient(facts=facts))
        return self.states[patient_id]

    def _decide(self, decided: merging.Told, one: str, other: str) -> merging.Told:
        self.tell(one, *decided.one)
        self.tell(other, *decided.other)
        return decided

    def merge(self, survivor: str, other: str) -> merging.Told:
        return self._decide(merging.merge(self.states[survivor], self.states[other]), survivor, other)

    def unmerge(self, survivor: str, other: str) -> merging.Told:
        return self._decide(merging.unmerge(self.states[survivor], self.states[other]), survivor, other)

    def dismiss(self, one: str, other: str) -> merging.Told:
        return self._decide(merging.dismiss(self.states[one], self.states[other]), one, other)


def shown(state: Patient, without: set[str] = TOLD_OF_IT) -> dict[str, Any]:
    """Return a state by its fields, in the stored form."""
    return {name: canonical(value) for name, value in vars(state).items() if name not in without}
