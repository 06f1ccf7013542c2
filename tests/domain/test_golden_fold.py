"""Every event that was ever written is decoded, lifted to today and folded: all of them, one after another."""

import json
from pathlib import Path
from typing import Any

from domain import organization, patient
from domain.entry import UnknownEvent, canonical, decode
from domain.organization import Organization
from domain.patient import Patient
from tests.domain.test_events import OF_ORGANIZATION
from tests.kit import ENVELOPE, reloaded

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "golden" / "events.json").read_text("utf-8"))


def _folded(of_organization: bool) -> Any:
    evolve: Any = organization.evolve if of_organization else patient.evolve
    state: Any = None
    for line in GOLDEN:
        if (line["topic"] in OF_ORGANIZATION) == of_organization:
            event = decode(line["topic"], line["schema_version"], line["state"].encode())
            assert not isinstance(event, UnknownEvent), line["topic"]
            before = 0 if state is None else state.version
            state = evolve(state, event, ENVELOPE)
            assert state.version == before + 1
            assert canonical(reloaded(state)) == canonical(state)
    return state


def test_all_golden_events_of_patients_fold():
    assert isinstance(_folded(of_organization=False), Patient)


def test_all_golden_events_of_organizations_fold():
    assert isinstance(_folded(of_organization=True), Organization)


def test_folding_in_place_is_folding_and_an_event_that_is_not_read_means_what_it_means_when_read():
    """Whoever folds whole streams takes both short cuts: all golden events of patients, one after another."""
    read: Patient | None = None
    unread: Patient | None = None
    skipped = 0
    for line in GOLDEN:
        if line["topic"] not in OF_ORGANIZATION:
            event = decode(line["topic"], line["schema_version"], line["state"].encode())
            stand_in = patient.UNREAD.get((line["topic"], line["schema_version"]))
            skipped += stand_in is not None
            kept = None if read is None else canonical(read)
            following = patient.evolve(read, event, ENVELOPE)
            assert read is None or canonical(read) == kept, "nobody's state changes under his hands"
            read, unread = following, patient.evolve(unread, stand_in or event, ENVELOPE, in_place=True)
            assert canonical(unread) == canonical(read)
    assert skipped
