"""Is a moment of a long history at hand at once? Limits are of a core's time, so that other work does not count."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from projections.card import states, through_time
from projections.history_query import Filter, history_page
from projections.wording import PLAIN
from tests.panel.story import tell_long_story

AS_OF_500_MS = 15
PAGE_MS = 30
STATES_OF_1000_MS = 100


@pytest.fixture(scope="module")
def long_patient(panel_ledger, story):
    """Return a patient with a thousand events."""
    return tell_long_story(panel_ledger, story, 1000)


def least_ms(work: Callable[[], Any]) -> float:
    """Return the least time of the process, in ms, that a piece of work took in some tries."""
    taken = []
    for _ in range(12):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) * 1000)
    return min(taken)


def test_a_patient_as_of_its_five_hundredth_event(panel_ledger, story, long_patient):
    assert least_ms(lambda: panel_ledger.patient_as_of(story.clinic, long_patient, version=500)) <= AS_OF_500_MS


@pytest.mark.parametrize("before", [None, 1000, 60])
def test_a_page_at_any_depth(panel_ledger, story, long_patient, before):
    def page() -> None:
        entries, _ = history_page(panel_ledger, story.clinic, long_patient, Filter(), before, 50, whole_requests=True)
        assert entries is not None
        assert len(entries) >= 50

    assert least_ms(page) <= PAGE_MS


def test_all_states_of_a_thousand_events(panel_ledger, story, long_patient):
    entries = panel_ledger.stream(story.clinic, long_patient)
    organization = panel_ledger.organization(story.clinic)
    assert least_ms(lambda: through_time(states(entries), organization, PLAIN)) <= STATES_OF_1000_MS
