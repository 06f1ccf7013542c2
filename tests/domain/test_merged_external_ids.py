"""Whom does an external id find while two patients are merged, and afterwards?"""

import pytest

from domain.commands import (
    AssignExternalId,
)
from domain.events import (
    ExternalIdReplaced,
    PatientRestored,
    PatientUnmerged,
)
from domain.known_as import keys_of_patient
from domain.matching import MatchKey
from tests.domain.records import EXTERNAL_ID_TYPE
from tests.domain.streams import ANN, BEA, Streams


@pytest.fixture
def streams() -> Streams:
    return Streams()


def _with_ids(streams: Streams, **ids: str) -> None:
    for patient_id, value in ((ANN, ids.get("ann")), (BEA, ids.get("bea"))):
        streams.create(patient_id, first_name="Ann", phone_number="+12125550142")
        if value is not None:
            streams.do(patient_id, AssignExternalId(type_id=EXTERNAL_ID_TYPE, value=value))


def _held(streams: Streams, patient_id: str) -> str | None:
    return streams.states[patient_id].external_id(EXTERNAL_ID_TYPE)


def _found_by(streams: Streams, value: str) -> list[str]:
    key = MatchKey("external_id", f"{EXTERNAL_ID_TYPE}:{value}")
    return [each for each, state in streams.states.items() if key in keys_of_patient(state)]


def test_both_external_ids_find_the_survivor(streams):
    _with_ids(streams, ann="A-1", bea="B-1")
    streams.merge(ANN, BEA)
    assert _held(streams, ANN) == "A-1"
    assert _found_by(streams, "A-1") == _found_by(streams, "B-1") == [ANN]


def test_an_external_id_of_a_type_the_survivor_lacks_is_taken_over(streams):
    _with_ids(streams, bea="B-1")
    streams.merge(ANN, BEA)
    assert _held(streams, ANN) == "B-1"
    streams.unmerge(ANN, BEA)
    assert _held(streams, ANN) is None
    assert _found_by(streams, "B-1") == [BEA]


def test_either_external_id_may_show_and_each_goes_back_to_its_own(streams):
    _with_ids(streams, ann="A-1", bea="B-1")
    streams.merge(ANN, BEA)
    streams.do(ANN, AssignExternalId(type_id=EXTERNAL_ID_TYPE, value="B-1"))
    assert streams.told[ANN][-1] == ExternalIdReplaced(type_id=EXTERNAL_ID_TYPE, old="A-1", new="B-1")
    assert _held(streams, ANN) == "B-1"
    assert _found_by(streams, "A-1") == _found_by(streams, "B-1") == [ANN]
    told = streams.unmerge(ANN, BEA)
    assert _held(streams, ANN) == "A-1"
    assert _held(streams, BEA) == "B-1"
    assert (_found_by(streams, "A-1"), _found_by(streams, "B-1")) == ([ANN], [BEA])
    assert told.one == [
        PatientUnmerged(other_id=BEA, changes={f"external_id.{EXTERNAL_ID_TYPE}": ["B-1", "A-1"]}),
    ]
    assert told.other == [PatientRestored(survivor_id=ANN)]


def test_an_external_id_that_is_new_after_the_merge_stays_with_the_survivor(streams):
    _with_ids(streams, bea="B-1")
    streams.merge(ANN, BEA)
    streams.do(ANN, AssignExternalId(type_id=EXTERNAL_ID_TYPE, value="C-1"))
    assert _held(streams, ANN) == "C-1"
    assert _found_by(streams, "B-1") == [ANN]
    streams.unmerge(ANN, BEA)
    assert (_held(streams, ANN), _held(streams, BEA)) == ("C-1", "B-1")


def test_ones_own_external_id_that_is_replaced_after_the_merge_finds_nobody(streams):
    _with_ids(streams, ann="A-1", bea="B-1")
    streams.merge(ANN, BEA)
    for value in ("B-1", "C-1"):
        streams.do(ANN, AssignExternalId(type_id=EXTERNAL_ID_TYPE, value=value))
    assert _found_by(streams, "A-1") == []
    assert _found_by(streams, "C-1") == _found_by(streams, "B-1") == [ANN]
