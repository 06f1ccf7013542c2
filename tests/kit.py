"""One grammar for rules: given what has happened, when something is asked or sent, then this is what follows.

    given(created, first_communication).when(ChangePhone("+15550199")).then(PhoneLockRespected(…))

Every state goes through its stored form and back, as it does between two transactions: a rule that holds only for
what is still in memory does not hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from domain import organization, patient
from domain.commands import Command, CreateOrganization
from domain.dropped import Dropped
from domain.entry import Envelope, canonical
from domain.errors import IllegalCommand
from domain.events import Event, OrganizationCreated, PatientMatched
from domain.matching import Match, NoMatch
from domain.organization import Organization
from domain.patient import Patient
from domain.upsert import interpret
from tests.domain.records import ORGANIZATION, outcome

ENVELOPE = Envelope(
    organization_id=ORGANIZATION.id,
    stream_id="0190f7a0-0000-7000-8000-00000000000a",
    recorded_at="2026-11-23T12:00:00.000000Z",
    source="api",
)
FOUND = Match(id=ENVELOPE.stream_id, tier="external_id", evidence={"external_id": "equal"})


def reloaded(state: Any) -> Any:
    """Return a patient or an organization as it is after it was stored and read again."""
    stored = orjson.loads(canonical(state))
    return Organization.from_json(stored) if isinstance(state, Organization) else Patient.from_json(stored)


@dataclass(frozen=True)
class Then:
    """What followed: the new events, the state they leave, and what was dropped of a record."""

    events: tuple[Event, ...]
    state: Any
    dropped: tuple[Dropped, ...] = ()

    def then(self, *expected: Event) -> "Then":
        """Check the new events, and their order; none when nothing is named."""
        assert self.events == expected
        assert canonical(self.events) == canonical(expected)  # True == 1, but not in JSON
        return self

    def then_changes(self, *expected: Event) -> "Then":
        """Check the events that follow the one which tells how the patient was found."""
        assert isinstance(self.events[0], PatientMatched)
        return Then(self.events[1:], self.state, self.dropped).then(*expected)


class Given:
    """A stream with what has happened to it so far."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.state: Any = None
        self._is_organization = bool(events) and isinstance(events[0], OrganizationCreated)
        for event in events:
            self._evolve(event)

    def _evolve(self, event: Event) -> None:
        evolve = organization.evolve if self._is_organization else patient.evolve
        self.state = reloaded(evolve(self.state, event, ENVELOPE))

    def when(self, *commands: Command) -> Then:
        """Decide one command after another, each on what the one before has left."""
        told: list[Event] = []
        for command in commands:
            self._is_organization |= isinstance(command, CreateOrganization)
            decide = organization.decide if self._is_organization else patient.decide
            decided = decide(self.state, command)
            told += decided
            for event in decided:
                self._evolve(event)
        return Then(tuple(told), self.state)

    def when_refused(self, command: Command) -> None:
        """Check that the command does not fit."""
        with pytest.raises(IllegalCommand):
            self.when(command)

    def when_sent(
        self, body: dict[str, Any], *, match: Match | NoMatch | None = None, tenant: Organization = ORGANIZATION
    ) -> Then:
        """Interpret a record that was placed here: by its external id unless `match` says otherwise."""
        clean, dropped = outcome(body, organization=tenant)
        placed = match or (NoMatch() if self.state is None else FOUND)
        meant = interpret(clean, dropped, placed, self.state, tenant, ENVELOPE)
        self.state = reloaded(meant.patient)
        return Then(meant.events, self.state, meant.dropped)


def given(*events: Event) -> Given:
    """Begin with what has happened."""
    return Given(events)
