"""Does a merge keep what was known of both, and does undoing it give both back as they were?"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from domain import merge as merging
from domain import patient
from domain.commands import (
    AddReferral,
    AssignExternalId,
    ChangeAddress,
    ChangeFact,
    ChangePhone,
    Command,
    CreatePatient,
    FlagPossibleDuplicate,
    PutPayor,
    RecordCommunication,
    ReplaceTags,
    SetCustomField,
)
from domain.entry import Envelope, canonical
from domain.events import (
    DuplicateDismissed,
    Event,
    ExternalIdAssigned,
    ExternalIdReplaced,
    FirstCommunicationRecorded,
    PatientMerged,
    PatientMergedInto,
    PatientRestored,
    PatientUnmerged,
    PhoneLockRespected,
)
from domain.golden_record import PARTS
from domain.known_as import keys_of_patient
from domain.matching import MatchKey
from domain.patient import Patient, evolve
from tests.domain.records import EXTERNAL_ID_TYPE, ORGANIZATION
from tests.kit import reloaded

ANN = "0190f7a0-0000-7000-8000-00000000000a"
BEA = "0190f7a0-0000-7000-8000-00000000000b"
CAT = "0190f7a0-0000-7000-8000-00000000000c"
OTHER_TYPE = "3c90c3cc-0d44-4b50-8888-8dd25736052b"
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


@pytest.fixture
def streams() -> Streams:
    return Streams()


def shown(state: Patient, without: set[str] = TOLD_OF_IT) -> dict[str, Any]:
    """Return a state by its fields, in the stored form."""
    return {name: canonical(value) for name, value in vars(state).items() if name not in without}


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
            PutPayor(payor={"insured_member_id": "M", f"plan_{own}": "x", "plan_name": f"Plan {own}"}),
            PutPayor(payor={"insured_member_id": f"M{own}"}),
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


# ---- external ids


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
    assert streams.states[ANN].unresolved_duplicates == (CAT,)
    assert streams.states[BEA].merged_into == ANN
    streams.unmerge(ANN, BEA)
    assert streams.states[ANN].unresolved_duplicates == ()
    assert streams.states[BEA].unresolved_duplicates == (CAT,)


def test_a_dismissal_holds_for_whoever_was_flagged_and_is_merged_now(streams):
    for patient_id in (ANN, BEA, CAT):
        streams.create(patient_id)
    _flag(streams, CAT, BEA)
    streams.merge(ANN, BEA)
    streams.dismiss(CAT, ANN)
    assert streams.states[CAT].unresolved_duplicates == ()
    assert list(streams.states[CAT].distinct_from) == [ANN, BEA]


# ---- any history


texts = st.sampled_from(["a", "b", "c", "Ä", "x y"])
dates = st.sampled_from(["1980-03-01", "1980-01-03", "1990-07-08"])
phones = st.sampled_from(["+12125550142", "+12125550143", "+12125550144"])
payors = st.fixed_dictionaries(
    {},
    optional={
        "insurance_id": st.sampled_from(["i", "j"]),
        "insured_member_id": st.sampled_from(["m", "n"]),
        "payor_responsibility": st.sampled_from(["primary", "secondary"]),
        "plan_name": texts,
        "subscriber": st.dictionaries(texts, texts, max_size=2),
    },
)
commands = st.one_of(
    st.builds(ChangeFact, field=st.sampled_from(["first_name", "last_name", "email", "gender", "comments"]), new=texts),
    st.builds(ChangeFact, field=st.just("date_of_birth"), new=dates),
    st.builds(ChangePhone, new=phones, extension=st.none() | st.sampled_from(["1", "2"])),
    st.builds(ChangeAddress, parts=st.dictionaries(st.sampled_from(["address", "city", "zip"]), texts)),
    st.builds(ReplaceTags, names=st.lists(texts, unique=True, max_size=3).map(tuple)),
    st.builds(SetCustomField, name=texts, value=st.integers(0, 2)),
    st.builds(AddReferral, referral=st.dictionaries(texts, texts, max_size=1)),
    st.builds(PutPayor, payor=payors),
    st.builds(
        RecordCommunication,
        channel=st.just("sms"),
        direction=st.just("inbound"),
        occurred_at=dates.map(lambda day: f"{day}T00:00:00.000000Z"),
    ),
    st.builds(FlagPossibleDuplicate, other_id=st.sampled_from([ANN, BEA, CAT, "d"]), reason=st.just("twins")),
)


def assigning(*values: str) -> st.SearchStrategy[Command]:
    """Return the assignment of one of these external ids; two patients never hold the same."""
    return st.builds(
        AssignExternalId, type_id=st.sampled_from([EXTERNAL_ID_TYPE, OTHER_TYPE]), value=st.sampled_from(values)
    )


def history(*values: str) -> st.SearchStrategy[list[Command]]:
    """Return what is asked of a patient, one thing after another."""
    return st.lists(commands | assigning(*values), max_size=8)


def begun(**histories: list[Command]) -> Streams:
    """Return streams, each with its history."""
    streams = Streams()
    for patient_id, asked in zip((ANN, BEA, CAT), histories.values(), strict=False):
        streams.create(patient_id, first_name="a")
        streams.do(patient_id, *(each for each in asked if getattr(each, "other_id", "") != patient_id))
    return streams


@settings(max_examples=200)
@for_all(history("a1", "a2"), history("b1", "b2"))
def test_a_merge_that_is_undone_leaves_both_as_they_were(ann, bea):
    streams = begun(ann=ann, bea=bea)
    before = dict(streams.states)
    streams.merge(ANN, BEA)
    assert keys_of_patient(streams.states[ANN]) >= keys_of_patient(before[ANN]) | keys_of_patient(before[BEA])
    streams.unmerge(ANN, BEA)
    for patient_id, state in before.items():
        assert shown(streams.states[patient_id]) == shown(state)
        assert keys_of_patient(streams.states[patient_id]) == keys_of_patient(state)


def alone(streams: Streams) -> Patient:
    """Return what the survivor's stream tells of it alone, merges left out."""
    told = [each for each in streams.told[ANN] if not isinstance(each, PatientMerged | PatientUnmerged)]
    ids = [each for each in told if isinstance(each, ExternalIdAssigned | ExternalIdReplaced)]
    state: Patient | None = None
    for event in (each for each in told if each not in ids):
        state = evolve(state, event, Envelope(ORGANIZATION.id, ANN, "", "api"))
    assert state is not None
    return state


@settings(max_examples=200)
@for_all(history("a1", "a2"), history("b1", "b2"), history("a3", "b1", "b2"))
def test_after_undoing_what_was_told_of_the_survivor_itself_stays_and_nothing_else(ann, bea, later):
    streams = begun(ann=ann, bea=bea)
    before = dict(streams.states)
    streams.merge(ANN, BEA)
    streams.do(ANN, *later)
    streams.unmerge(ANN, BEA)
    assert shown(streams.states[BEA]) == shown(before[BEA])

    survivor, expected = streams.states[ANN], alone(streams)
    if "phone_number" not in expected.facts:
        expected = expected.changed(facts={k: v for k, v in expected.facts.items() if k != "phone_extension"})
    for part in ("facts", "tags", "custom_fields", "first_communication_at", "former_last_names", "refused_phone"):
        assert canonical(getattr(survivor, part)) == canonical(getattr(expected, part)), part
    ids = {ref["id"] for ref in expected.referrals}
    assert [held["id"] for held in survivor.referrals] == [held["id"] for held in expected.referrals]
    assert len(ids) == len(expected.referrals)

    own = before[ANN]
    for type_id in (EXTERNAL_ID_TYPE, OTHER_TYPE):
        values = [own.external_id(type_id)]
        values += [
            each.value if isinstance(each, ExternalIdAssigned) else each.new
            for each in streams.told[ANN][own.version :]
            if isinstance(each, ExternalIdAssigned | ExternalIdReplaced) and each.type_id == type_id
        ]
        known = {before[BEA].external_id(each) for each in (EXTERNAL_ID_TYPE, OTHER_TYPE)}
        kept = [value for value in values if value not in known or value == own.external_id(type_id)]
        assert survivor.external_id(type_id) == kept[-1]


@settings(max_examples=100)
@for_all(history("a1"), history("b1"), history("c1"), history("a3"))
def test_in_whichever_order_merges_are_undone_each_takes_its_own_away(ann, bea, cat, later):
    streams = begun(ann=ann, bea=bea, cat=cat)
    before = dict(streams.states)
    streams.merge(ANN, BEA)
    streams.merge(ANN, CAT)
    streams.do(ANN, *later)
    streams.unmerge(ANN, BEA)
    streams.unmerge(ANN, CAT)

    other_way = begun(ann=ann, bea=bea, cat=cat)
    other_way.merge(ANN, BEA)
    other_way.merge(ANN, CAT)
    other_way.do(ANN, *later)
    other_way.unmerge(ANN, CAT)
    other_way.unmerge(ANN, BEA)
    assert shown(streams.states[ANN]) == shown(other_way.states[ANN])
    for patient_id in (BEA, CAT):
        assert shown(streams.states[patient_id]) == shown(before[patient_id])


@settings(max_examples=100)
@for_all(history("a1"), history("b1"), history("c1"))
def test_a_merge_that_is_undone_leaves_what_another_merge_gave(ann, bea, cat):
    streams = begun(ann=ann, bea=bea, cat=cat)
    streams.merge(ANN, BEA)
    streams.merge(ANN, CAT)
    streams.unmerge(ANN, BEA)

    only = begun(ann=ann, bea=bea, cat=cat)
    only.merge(ANN, CAT)
    for part in set(PARTS) - {"distinct_from", "external_ids"}:
        assert canonical(getattr(streams.states[ANN], part)) == canonical(getattr(only.states[ANN], part)), part
