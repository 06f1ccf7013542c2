"""Do processes that write about the same person at the same moment agree on one patient?"""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.events import CommentsChanged, ExternalIdReplaced, FirstCommunicationRecorded
from tests.clinic import Clinic, asked, check_positions, check_read_models
from tests.domain.records import EXTERNAL_ID_TYPE
from tests.projections.racers import PROCESSES, Racers

THREADS = 16
"""In each process: 64 racers in all."""


@pytest.fixture(scope="module")
def racers() -> Iterator[Racers]:
    racing = Racers()
    yield racing
    racing.close()


def person(turn: int, **more: Any) -> dict[str, Any]:
    return {
        "first_name": "Ann", "last_name": f"Lee{'abcdefghij'[turn % 10]}{'abcdefghij'[turn // 10 % 10]}",
        "date_of_birth": f"19{turn % 70 + 20}-03-0{turn % 9 + 1}", "phone_number": f"+1212{2_000_000 + turn}", **more,
    }  # fmt: skip


def external_id(value: str) -> dict[str, str]:
    return {"type_id": EXTERNAL_ID_TYPE, "value": value}


def check(clinic: Clinic) -> None:
    check_positions(clinic.url)
    check_read_models(clinic)
    assert asked(clinic.url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]


@pytest.mark.parametrize("way", ["upsert", "alone"])
@pytest.mark.parametrize("rounds", [15, pytest.param(300, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_64_identical_upserts_make_one_patient_each_round(clinic: Clinic, racers: Racers, way: str, rounds: int):
    numbered = way == "alone"  # without an external id no unique key stands behind the locks
    sent = [person(turn, **({"external_id": external_id(f"A-{turn}")} if numbered else {})) for turn in range(rounds)]
    work = [[(way, body)] * THREADS for body in sent]
    for landed in racers.race(clinic, *[work] * PROCESSES):
        assert len(landed) == THREADS * PROCESSES
        assert len({each.patient_id for each in landed}) == 1
        assert sum(each.created for each in landed) == 1
        assert sum(each.events > 0 for each in landed) == 1, "the others said nothing new"
    head = check_positions(clinic.url)
    racers.race(clinic, *[work[:3]] * PROCESSES)
    assert check_positions(clinic.url) == head, "a retry appends nothing"
    check(clinic)


def test_records_with_no_key_in_common_change_one_patient_in_turn(clinic: Clinic, racers: Racers):
    """One is found by its external id only, the other by its phone only: the patient's row is what makes them wait."""
    held = [clinic.send(**person(turn), external_id=external_id(f"A-{turn}")).patient.id for turn in range(8)]
    by_external_id = [
        [("alone", {"external_id": external_id(f"A-{turn}"), "comments": f"{turn}.x{n}"}) for n in range(4)]
        for turn in range(8)
    ]
    by_phone = [
        [("alone", {"first_name": "Ann", "phone_number": person(turn)["phone_number"], "comments": f"{turn}.p{n}"}
          | {"last_name": person(turn)["last_name"]}) for n in range(4)]
        for turn in range(8)
    ]  # fmt: skip
    for turn, landed in enumerate(racers.race(clinic, by_external_id, by_phone, by_external_id, by_phone)):
        assert {each.patient_id for each in landed} == {held[turn]}
        assert {each.tier for each in landed} == {"external_id", "phone_fuzzy_name"}
        comments = [event for event in clinic.story(held[turn]) if isinstance(event, CommentsChanged)]
        assert [event.old for event in comments] == [None, *(event.new for event in comments[:-1])]
        assert len({event.new for event in comments}) == 8
    check(clinic)


def test_lists_and_single_records_agree(clinic: Clinic, racers: Racers):
    people = [person(turn) for turn in range(10)]
    lists: Any = [[("list", people), ("list", people[::-1])] for _ in range(3)]
    single: Any = [[("upsert", body) for body in people] for _ in range(3)]
    landed = [each for turn in racers.race(clinic, lists, single, lists, single) for each in turn]
    assert len({each.patient_id for each in landed}) == len(people)
    assert sum(each.created for each in landed) == len(people)
    check(clinic)


def test_an_external_id_is_held_by_one_patient_whoever_claims_it(clinic: Clinic, racers: Racers):
    """Different people, the same external id at the same moment: one of them is first, the others are found by it."""
    rounds = 8
    work = [
        [[("alone", person(10 * process + turn, external_id=external_id(f"A-{turn}")))] for turn in range(rounds)]
        for process in range(PROCESSES)
    ]
    for landed in racers.race(clinic, *work):
        assert len({each.patient_id for each in landed}) == 1
        assert sum(each.created for each in landed) == 1
    held = asked(clinic.url, "SELECT count(*), count(DISTINCT patient_id) FROM match_keys WHERE kind = 'external_id'")
    assert held == [(rounds, rounds)]
    check_positions(clinic.url)
    check_read_models(clinic)


def test_an_external_id_that_goes_to_and_fro_is_told_in_one_chain(clinic: Clinic, racers: Racers):
    patient_id = clinic.send(**person(1), external_id=external_id("A-0")).patient.id
    work = [
        [[("alone", person(1, external_id=external_id(f"A-{process}"))) for _ in range(3)] for _ in range(6)]
        for process in range(PROCESSES)
    ]
    landed = [each for turn in racers.race(clinic, *work) for each in turn]
    assert {each.patient_id for each in landed} == {patient_id}
    replaced = [event for event in clinic.story(patient_id) if isinstance(event, ExternalIdReplaced)]
    assert [event.old for event in replaced] == ["A-0", *(event.new for event in replaced[:-1])]
    assert asked(clinic.url, "SELECT key FROM match_keys WHERE kind = 'external_id'") == [
        (f"{EXTERNAL_ID_TYPE}:{replaced[-1].new}",)
    ]
    check(clinic)


def test_a_first_communication_is_recorded_once(clinic: Clinic, racers: Racers):
    patient_id = clinic.send(**person(1)).patient.id
    work: Any = [[("communicate", patient_id)] * 8, [("alone", person(1, phone_number="+12125550199"))]]
    racers.race(clinic, *[work] * PROCESSES)
    story = clinic.story(patient_id)
    assert sum(isinstance(event, FirstCommunicationRecorded) for event in story) == 1
    assert clinic.ledger.patient_as_of(clinic.id, patient_id).phone == person(1)["phone_number"]
    check(clinic)
