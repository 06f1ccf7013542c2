"""Whatever happened before and since: does undoing a merge give back what was, and keep what came?"""

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

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
    SetCustomField,
)
from domain.entry import Envelope, canonical
from domain.events import (
    ExternalIdAssigned,
    ExternalIdReplaced,
    PatientMerged,
    PatientUnmerged,
)
from domain.golden_record import PARTS
from domain.known_as import keys_of_patient
from domain.patient import Patient, evolve
from tests.domain.records import EXTERNAL_ID_TYPE, ORGANIZATION
from tests.domain.streams import ANN, BEA, CAT, Streams, shown

OTHER_TYPE = "3c90c3cc-0d44-4b50-8888-8dd25736052b"

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
    st.builds(PutPayors, payors=st.lists(payors, min_size=1, max_size=2)),
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
        hers = before[BEA].external_id(type_id)
        kept = [value for value in values if value != hers or value == own.external_id(type_id)]
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
