"""Is deciding repeatable and folding the same, in memory and on what was stored, and is nothing changed in place?"""

from hypothesis import given as drawn
from hypothesis import strategies as st

from domain import patient
from domain.commands import (
    AddReferral,
    AssignExternalId,
    ChangeAddress,
    ChangeFact,
    ChangePhone,
    Command,
    FlagPossibleDuplicate,
    PutPayors,
    RecordCommunication,
    ReplaceTags,
    ReportDrop,
    SetCustomField,
)
from domain.entry import Envelope, canonical
from domain.events import (
    FACT_EVENTS,
    LastNameChanged,
    PatientCreated,
    TagsReplaced,
)
from domain.known_as import carry_over, identities_of_patient
from tests.domain import facts
from tests.domain.records import EXTERNAL_ID_TYPE
from tests.kit import ENVELOPE, given, reloaded

HELD, OTHER = "+12125550100", "+12125550199"
BEA = "0190f7a0-0000-7000-8000-00000000000b"

created = PatientCreated(facts={"first_name": "Ann", "last_name": "Lee", "phone_number": HELD})
communicate = RecordCommunication(channel="call", direction="inbound", occurred_at="2026-11-24T12:00:00.000000Z")


commands = st.one_of(
    st.builds(ChangeFact, field=st.sampled_from(sorted(FACT_EVENTS)), new=facts.texts),
    st.builds(ChangePhone, new=st.sampled_from([HELD, OTHER]), extension=st.none() | st.just("7")),
    st.builds(ChangeAddress, parts=st.dictionaries(st.sampled_from(["city", "zip"]), facts.texts, max_size=2)),
    st.builds(AssignExternalId, type_id=st.just(EXTERNAL_ID_TYPE), value=facts.texts),
    st.builds(ReplaceTags, names=st.lists(facts.texts, max_size=2).map(tuple)),
    st.builds(SetCustomField, name=st.sampled_from("ab"), value=facts.json_values),
    st.builds(AddReferral, referral=st.dictionaries(st.sampled_from("ab"), facts.texts, max_size=2)),
    st.builds(
        PutPayors,
        payors=st.lists(st.sampled_from([{"insured_member_id": "X"}, {"insured_member_id": "Y"}]), max_size=2),
    ),
    st.builds(ReportDrop, field=st.sampled_from("ab"), reason=st.just("r"), offered=st.none() | facts.texts),
    st.builds(FlagPossibleDuplicate, other_id=st.just(BEA), reason=st.just("r")),
    st.just(communicate),
)


@drawn(st.lists(commands, max_size=8))
def test_deciding_twice_decides_nothing_the_second_time(asked: list[Command]):
    stream = given(created)
    for command in asked:
        stream.when(command)
        assert stream.when(command).events == ()


@drawn(st.lists(commands, max_size=8))
def test_a_state_in_memory_and_one_that_was_stored_decide_the_same(asked: list[Command]):
    """What is a tuple in memory is a list once it was stored; no rule may tell them apart."""
    memory = patient.evolve(None, created, ENVELOPE)
    for command in asked:
        told = patient.decide(memory, command)
        assert canonical(patient.decide(reloaded(memory), command)) == canonical(told)
        for event in told:
            stored = patient.evolve(reloaded(memory), event, ENVELOPE)
            memory = patient.evolve(memory, event, ENVELOPE)
            assert canonical(stored) == canonical(memory)


@drawn(st.lists(commands, max_size=8))
def test_deciding_and_folding_leave_what_they_were_given_as_it_was(asked: list[Command]):
    state = patient.evolve(None, created, ENVELOPE)
    for command in asked:
        before = canonical([state, command])
        told = patient.decide(state, command)
        stored = canonical(told)
        for event in told:
            patient.evolve(state, event, ENVELOPE)
        assert canonical([state, command]) == before
        assert canonical(told) == stored
        for event in told:
            state = patient.evolve(state, event, ENVELOPE)


@drawn(st.lists(commands, max_size=8), st.integers(0, 8))
def test_a_fold_can_be_stopped_anywhere_and_taken_up_again(asked: list[Command], place: int):
    told = [created, *given(created).when(*asked).events]
    envelopes = [ENVELOPE._replace(recorded_at=f"2026-11-23T12:00:{n:02}.000000Z") for n in range(len(told))]
    entries = list(zip(told, envelopes, strict=True))
    whole = patient.fold(entries)
    begun = patient.fold(entries[: place + 1])
    for event, envelope in entries[place + 1 :]:
        begun = patient.evolve(reloaded(begun), event, envelope)
    assert canonical(begun) == canonical(whole)
    assert whole is not None
    assert whole.version == len(told)
    assert whole.updated_at == envelopes[-1].recorded_at
    assert patient.fold([]) is None


def test_time_comes_with_the_entry():
    later = Envelope(ENVELOPE.organization_id, ENVELOPE.stream_id, "2027-01-01T00:00:00.000000Z", "file")
    state = patient.evolve(given(created).state, LastNameChanged(old="Lee", new="Wu"), later)
    assert (state.created_at, state.updated_at) == (ENVELOPE.recorded_at, later.recorded_at)
    assert state.source == "api", "that of the first record"


@drawn(st.lists(commands, max_size=8))
def test_who_somebody_is_is_carried_over_only_where_it_is_what_would_be_worked_out_anew(asked: list[Command]):
    state = patient.evolve(None, created, ENVELOPE)
    for command in asked:
        for event in patient.decide(state, command):
            after = patient.evolve(state, event, ENVELOPE)
            identities_of_patient(state)
            carry_over(state, after)
            assert identities_of_patient(after) == identities_of_patient(reloaded(after))
            state = after


def test_who_somebody_is_is_carried_over_a_change_of_something_else():
    before = patient.evolve(None, created, ENVELOPE)
    after = patient.evolve(before, TagsReplaced(old=[], new=["vip"]), ENVELOPE)
    carry_over(before, after)
    assert identities_of_patient(after) is identities_of_patient(before)
