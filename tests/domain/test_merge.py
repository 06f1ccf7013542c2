"""What does a merged chart show, who may be merged, and what becomes of the questions that were open?"""

from dataclasses import replace

import pytest

from domain import merge as merging
from domain import patient
from domain.commands import (
    AddReferral,
    ChangePhone,
    ErasePatient,
    FlagPossibleDuplicate,
    PutPayors,
    RecordCommunication,
    ReplaceTags,
    SetCustomField,
)
from domain.events import (
    DuplicateDismissed,
    FirstCommunicationRecorded,
    PatientMerged,
    PatientMergedInto,
    PhoneLockRespected,
)
from domain.known_as import keys_of_patient, keys_to_look_for
from tests.domain.streams import ANN, BEA, CAT, DAN, TOLD_OF_IT, Streams, shown


@pytest.fixture
def streams() -> Streams:
    return Streams()


# ---- what survives


def test_the_survivors_own_values_stand_and_its_blanks_are_filled(streams):
    streams.create(ANN, first_name="Ann", last_name="Lee", email="ann@example.org")
    streams.create(BEA, first_name="Anne", last_name="Lee", email="other@example.org", date_of_birth="1980-03-01")
    told = streams.merge(ANN, BEA)
    assert streams.states[ANN].facts == {
        "first_name": "Ann",
        "last_name": "Lee",
        "email": "ann@example.org",
        "date_of_birth": "1980-03-01",
    }
    assert isinstance(told.one[0], PatientMerged)
    assert told.one[0].changes == {"date_of_birth": [None, "1980-03-01"]}
    assert told.other == [PatientMergedInto(survivor_id=ANN)]


def test_the_merged_patient_keeps_everything_and_is_found_by_nothing(streams):
    streams.create(ANN, phone_number="+12125550142")
    before = streams.create(BEA, first_name="Bea", phone_number="+12125550143")
    streams.merge(ANN, BEA)
    assert shown(streams.states[BEA], TOLD_OF_IT | {"merged_into"}) == shown(before, TOLD_OF_IT | {"merged_into"})
    assert streams.states[BEA].merged_into == ANN
    assert keys_of_patient(streams.states[BEA]) == frozenset()


def test_a_phone_comes_with_its_own_extension(streams):
    streams.create(ANN, phone_number="+12125550142")
    streams.create(BEA, phone_number="+12125550143", phone_extension="7")
    streams.merge(ANN, BEA)
    assert streams.states[ANN].facts == {"phone_number": "+12125550142"}


def test_an_address_is_never_made_of_two(streams):
    streams.create(ANN, city="Boston")
    streams.create(BEA, address="1 Main St", city="Albany", zip="12207")
    streams.merge(ANN, BEA)
    assert streams.states[ANN].facts == {"city": "Boston"}


def test_an_address_that_contradicts_nothing_fills_the_rest(streams):
    streams.create(ANN, city="ALBANY")
    streams.create(BEA, address="1 Main St", city="Albany", zip="12207")
    streams.merge(ANN, BEA)
    assert streams.states[ANN].facts == {"address": "1 Main St", "city": "ALBANY", "zip": "12207"}


def test_nor_of_two_that_were_merged_one_after_another(streams):
    streams.create(ANN)
    for patient_id, address in (
        (BEA, {"city": "Albany"}),
        (CAT, {"address": "1 Main St"}),
        (DAN, {"address": "2 Oak St", "zip": "12207"}),
    ):
        streams.create(patient_id, **address)
        streams.merge(ANN, patient_id)
    assert streams.states[ANN].facts == {"address": "1 Main St", "city": "Albany"}


def test_tags_referrals_payors_and_custom_fields_are_united(streams):
    for patient_id, own in ((ANN, 1), (BEA, 2)):
        streams.create(patient_id)
        streams.do(
            patient_id,
            ReplaceTags(names=("vip", f"tag {own}")),
            SetCustomField(name="shoe", value=own),
            SetCustomField(name=f"hat {own}", value=own),
            AddReferral(referral={"physician_name": "Dr. Ruiz"}),
            AddReferral(referral={"physician_name": f"Dr. {own}"}),
            PutPayors(payors=[{"insured_member_id": "M", f"plan_{own}": "x", "plan_name": f"Plan {own}"}]),
            PutPayors(payors=[{"insured_member_id": f"M{own}"}]),
        )
    streams.merge(ANN, BEA)
    state = streams.states[ANN]
    assert list(state.tags) == ["vip", "tag 1", "tag 2"]
    assert state.custom_fields == {"shoe": 1, "hat 1": 1, "hat 2": 2}
    assert [held["referral"]["physician_name"] for held in state.referrals] == ["Dr. Ruiz", "Dr. 1", "Dr. 2"]
    assert [held["payor"] for held in state.payors] == [
        {"insured_member_id": "M", "plan_1": "x", "plan_2": "x", "plan_name": "Plan 1"},
        {"insured_member_id": "M1"},
        {"insured_member_id": "M2"},
    ]


def test_payors_that_share_their_responsibility_alone_stay_two(streams):
    for patient_id, plan in ((ANN, "Gold"), (BEA, "Silver")):
        streams.create(patient_id)
        streams.do(patient_id, PutPayors(payors=[{"payor_responsibility": "primary", "plan_name": plan}]))
    streams.merge(ANN, BEA)
    assert [held["payor"]["plan_name"] for held in streams.states[ANN].payors] == ["Gold", "Silver"]


def test_the_phone_stays_locked_if_it_was_locked_for_either(streams):
    streams.create(ANN, phone_number="+12125550142")
    streams.create(BEA, phone_number="+12125550143")
    streams.do(BEA, RecordCommunication(channel="sms", direction="outbound", occurred_at="2026-01-02T00:00:00.000000Z"))
    streams.merge(ANN, BEA)
    streams.do(ANN, ChangePhone(new="+12125550199"))
    assert streams.told[ANN][-1] == PhoneLockRespected(kept="+12125550142", offered="+12125550199")
    streams.unmerge(ANN, BEA)
    streams.do(ANN, ChangePhone(new="+12125550199"))
    assert streams.states[ANN].phone == "+12125550199"


def test_a_communication_after_the_merge_locks_the_survivor_for_good(streams):
    streams.create(ANN, phone_number="+12125550142")
    streams.create(BEA, phone_number="+12125550143")
    streams.do(BEA, RecordCommunication(channel="sms", direction="outbound", occurred_at="2026-01-02T00:00:00.000000Z"))
    streams.merge(ANN, BEA)
    later = RecordCommunication(channel="call", direction="inbound", occurred_at="2026-03-04T00:00:00.000000Z")
    streams.do(ANN, later, later)
    assert streams.states[ANN].first_communication_at == "2026-01-02T00:00:00.000000Z"
    streams.unmerge(ANN, BEA)
    assert streams.states[ANN].first_communication_at == "2026-03-04T00:00:00.000000Z"
    assert sum(isinstance(event, FirstCommunicationRecorded) for event in streams.told[ANN]) == 1


# ---- who may be merged, and what follows


def test_nobody_is_merged_with_themselves(streams):
    streams.create(ANN)
    with pytest.raises(merging.SamePatient):
        merging.merge(streams.states[ANN], streams.states[ANN])
    with pytest.raises(merging.SamePatient):
        merging.dismiss(streams.states[ANN], streams.states[ANN])


def test_merging_again_changes_nothing(streams):
    streams.create(ANN)
    streams.create(BEA)
    streams.merge(ANN, BEA)
    assert streams.merge(ANN, BEA) == ([], [])


def test_a_merged_patient_is_no_survivor_so_that_no_ring_closes(streams):
    for patient_id in (ANN, BEA, CAT):
        streams.create(patient_id)
    streams.merge(ANN, BEA)
    for survivor, other in ((BEA, ANN), (BEA, CAT), (CAT, BEA)):
        with pytest.raises(merging.MergedElsewhere):
            merging.merge(streams.states[survivor], streams.states[other])


def test_patients_of_two_organizations_are_never_merged(streams):
    streams.create(ANN)
    elsewhere = replace(streams.create(BEA), organization_id="a2a1f5a4-1f0e-4d39-9d0b-7d6f4a1c0002")
    with pytest.raises(AssertionError):
        merging.merge(streams.states[ANN], elsewhere)


def test_an_erased_patient_can_still_be_dismissed(streams):
    streams.create(ANN)
    streams.create(BEA)
    streams.do(BEA, ErasePatient(order="77"))
    streams.dismiss(ANN, BEA)
    assert list(streams.states[ANN].distinct_from) == [BEA]


def test_only_what_is_merged_is_unmerged(streams):
    streams.create(ANN)
    streams.create(BEA)
    with pytest.raises(merging.NotMerged):
        merging.unmerge(streams.states[ANN], streams.states[BEA])


def test_of_a_chain_of_merges_the_last_is_undone_first(streams):
    streams.create(ANN)
    streams.create(BEA, email="b@example.org")
    streams.create(CAT, gender="female")
    before = dict(streams.states)
    streams.merge(BEA, CAT)
    streams.merge(ANN, BEA)
    assert streams.states[ANN].facts == {"email": "b@example.org", "gender": "female"}
    with pytest.raises(merging.MergedElsewhere):
        merging.unmerge(streams.states[BEA], streams.states[CAT])
    streams.unmerge(ANN, BEA)
    assert streams.states[BEA].facts == {"email": "b@example.org", "gender": "female"}
    streams.unmerge(BEA, CAT)
    for patient_id, state in before.items():
        assert shown(streams.states[patient_id]) == shown(state)


def test_the_keys_of_a_whole_chain_find_its_end(streams):
    for patient_id, phone in ((ANN, "+12125550142"), (BEA, "+12125550143"), (CAT, "+12125550144")):
        streams.create(patient_id, first_name="Ann", phone_number=phone)
    keys = frozenset().union(*map(keys_of_patient, streams.states.values()))
    streams.merge(BEA, CAT)
    streams.merge(ANN, BEA)
    assert keys_of_patient(streams.states[ANN]) == keys


# ---- flags


def _flag(streams: Streams, patient_id: str, other: str) -> None:
    streams.do(patient_id, FlagPossibleDuplicate(other_id=other, reason="twins"))


def test_a_number_that_was_refused_is_a_key_of_whom_the_patient_lives_on_in(streams):
    streams.create(ANN, phone_number="+12125550142")
    streams.create(BEA, phone_number="+12125550143")
    spoke = RecordCommunication(channel="sms", direction="outbound", occurred_at="2024-05-01T10:00:00.000000Z")
    streams.do(BEA, spoke, ChangePhone(new="+12125550144"))
    before = keys_of_patient(streams.states[BEA])
    assert ("phone", "+12125550144") in before
    streams.merge(ANN, BEA)
    assert keys_of_patient(streams.states[ANN]) >= before
    assert ("phone", "+12125550144") not in keys_to_look_for(streams.states[ANN])
    streams.unmerge(ANN, BEA)
    assert keys_of_patient(streams.states[BEA]) == before


def test_distinct_sticks(streams):
    streams.create(ANN)
    streams.create(BEA)
    _flag(streams, ANN, BEA)
    assert streams.states[ANN].unresolved_duplicates == (BEA,)
    told = streams.dismiss(ANN, BEA)
    assert told == ([DuplicateDismissed(other_id=BEA)], [DuplicateDismissed(other_id=ANN)])
    assert streams.states[ANN].unresolved_duplicates == ()
    assert streams.dismiss(BEA, ANN) == ([], [])
    assert patient.decide(streams.states[BEA], FlagPossibleDuplicate(other_id=ANN, reason="tie")) == []


def test_who_was_taken_apart_is_not_flagged_again(streams):
    streams.create(ANN)
    streams.create(BEA)
    streams.merge(ANN, BEA)
    streams.unmerge(ANN, BEA)
    assert list(streams.states[ANN].distinct_from) == [BEA]
    assert list(streams.states[BEA].distinct_from) == [ANN]


def test_open_questions_of_a_merged_patient_become_the_survivors_and_go_back(streams):
    for patient_id in (ANN, BEA, CAT):
        streams.create(patient_id)
    _flag(streams, BEA, ANN)
    _flag(streams, BEA, CAT)
    streams.merge(ANN, BEA)
    assert streams.states[ANN].unresolved_duplicates == streams.states[BEA].unresolved_duplicates == (CAT,)
    assert streams.states[BEA].merged_into == ANN
    streams.unmerge(ANN, BEA)
    assert streams.states[ANN].unresolved_duplicates == ()
    assert streams.states[BEA].unresolved_duplicates == (CAT,)


def test_who_was_found_to_be_somebody_else_than_the_merged_patient_is_so_for_the_survivor(streams):
    for patient_id in (ANN, BEA, CAT):
        streams.create(patient_id)
    _flag(streams, BEA, CAT)
    streams.dismiss(BEA, CAT)
    streams.merge(ANN, BEA)
    assert list(streams.states[ANN].distinct_from) == [CAT]
    assert patient.decide(streams.states[ANN], FlagPossibleDuplicate(other_id=CAT, reason="tie")) == []


def test_a_dismissal_holds_for_whoever_was_flagged_and_is_merged_now(streams):
    for patient_id in (ANN, BEA, CAT):
        streams.create(patient_id)
    _flag(streams, CAT, BEA)
    streams.merge(ANN, BEA)
    streams.dismiss(CAT, ANN)
    assert streams.states[CAT].unresolved_duplicates == ()
    assert list(streams.states[CAT].distinct_from) == [ANN, BEA]
