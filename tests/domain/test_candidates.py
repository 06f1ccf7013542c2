"""Who could a record of a list be, as the list is decided?"""

import pytest

from domain.candidates import CandidateIndex
from domain.commands import AssignExternalId, ChangeFact, ChangePhone, RecordCommunication
from domain.events import DuplicateDismissed
from domain.evidence import Identity
from domain.known_as import identities_of_patient
from domain.matching import Candidate, Match, MatchKey, NoMatch, Rules, classify, match_keys
from tests.domain.people import BORN, OTHER_BORN, OTHER_PHONE, PHONE, person
from tests.domain.records import EXTERNAL_ID_TYPE, ORGANIZATION
from tests.domain.streams import ANN, BEA, CAT, DAN, Streams
from tests.kit import reloaded

RULES = Rules()


def by_phone(
    index: CandidateIndex, phone: str, rules: Rules = RULES, organization_id: str = ORGANIZATION.id
) -> tuple[list[Candidate], frozenset[MatchKey]]:
    return index.candidates(organization_id, Identity(phone=phone), [("phone", phone)], rules)


def meet(index: CandidateIndex, record: Identity) -> Match | NoMatch:
    candidates, crowded = index.candidates(ORGANIZATION.id, record, match_keys(record), RULES)
    return classify(record, candidates, RULES, crowded)


def test_a_record_sees_what_those_before_it_changed():
    streams = Streams()
    index = CandidateIndex([streams.create(ANN, first_name="Ann", phone_number=PHONE)])
    streams.do(ANN, ChangePhone(new=OTHER_PHONE, extension=None))
    index.put(streams.states[ANN])
    assert by_phone(index, PHONE) == ([], frozenset())
    assert [each.id for each in by_phone(index, OTHER_PHONE)[0]] == [ANN]
    streams.tell(ANN, DuplicateDismissed(other_id=BEA))
    index.put(streams.states[ANN])
    assert [each.distinct_from for each in by_phone(index, OTHER_PHONE)[0]] == [frozenset({BEA})]


def test_a_record_sees_each_change_of_whom_a_patient_is_known_as():
    streams, index = Streams(), CandidateIndex([])
    for patient_id, phone in ((ANN, PHONE), (BEA, "+12125550111"), (CAT, "+12125550112"), (DAN, "+12125550113")):
        index.put(streams.create(patient_id, first_name="Jo", last_name="Smith", phone_number=phone))
    told = RecordCommunication(channel="sms", direction="inbound", occurred_at="2026-06-01T10:00:00.000000Z")
    for change in (
        lambda: streams.do(ANN, told),
        lambda: streams.do(ANN, ChangePhone(new=OTHER_PHONE)),
        lambda: streams.do(ANN, ChangeFact("last_name", "Cole")),
        lambda: streams.do(ANN, AssignExternalId(type_id=EXTERNAL_ID_TYPE, value="A-1")),
        lambda: streams.merge(ANN, BEA),
        lambda: streams.merge(ANN, CAT),
        lambda: streams.unmerge(ANN, CAT),
        lambda: streams.unmerge(ANN, BEA),
        lambda: streams.merge(DAN, ANN),
    ):
        change()
        index.put(streams.states[ANN])
        seen = identities_of_patient(index.patient(ANN))
        assert seen == identities_of_patient(reloaded(streams.states[ANN]))


def test_an_additional_number_is_met_by_whoever_comes_without_its_extension():
    streams = Streams()
    extended = f"{OTHER_PHONE} x7"
    streams.create(ANN, first_name="Ann", last_name="Lee", date_of_birth=BORN, additional_phone_number=extended)
    outcome = meet(CandidateIndex(streams.states.values()), person("Ann", "Cole", BORN, phone=OTHER_PHONE))
    assert isinstance(outcome, Match)
    assert outcome.evidence["phone"] == "additional"


def test_of_a_key_that_too_many_share_some_are_looked_at_and_the_key_is_named():
    streams = Streams()
    index = CandidateIndex([streams.create(each, phone_number=PHONE) for each in (DAN, CAT, BEA, ANN)])
    found, crowded = by_phone(index, PHONE, Rules(candidate_limit=2))
    assert ([each.id for each in found], crowded) == ([ANN, BEA, CAT], frozenset({MatchKey("phone", PHONE)}))
    found, crowded = by_phone(index, PHONE, Rules(candidate_limit=4))
    assert ([each.id for each in found], crowded) == ([ANN, BEA, CAT, DAN], frozenset())


def test_another_organizations_patients_are_no_candidates():
    index = CandidateIndex([Streams().create(ANN, phone_number=PHONE)])
    assert by_phone(index, PHONE, organization_id=BEA) == ([], frozenset())


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"date_of_birth": BORN}, {"date_of_birth": OTHER_BORN}),
        ({"gender": "M"}, {"gender": "F"}),
        ({"middle_name": "James"}, {"middle_name": "Louis"}),
    ],
)
def test_what_is_known_of_a_patient_holds_for_those_merged_into_it(held, said):
    streams = Streams()
    streams.create(ANN, first_name="Jo", last_name="Smith", phone_number=PHONE, **held)
    streams.create(BEA, first_name="Jo", last_name="Smith", phone_number=OTHER_PHONE)
    streams.merge(ANN, BEA)
    index = CandidateIndex(streams.states.values())
    record = person("Jo", "Smith", phone=OTHER_PHONE)
    assert isinstance(meet(index, record), Match)
    assert isinstance(meet(index, person("Jo", "Smith", phone=OTHER_PHONE, **held)), Match)
    namesake = meet(index, person("Jo", "Smith", phone=OTHER_PHONE, **said))
    assert isinstance(namesake, NoMatch)
    assert [(each.id, each.reason, each.flag) for each in namesake.rivals] == [(ANN, *said, True)]


def test_under_the_external_id_of_a_merged_patient_the_survivor_is_no_overlay():
    streams = Streams()
    streams.create(ANN, first_name="Ann", last_name="Lee", date_of_birth=BORN)
    streams.create(BEA, first_name="Ann", last_name="Cole", date_of_birth=OTHER_BORN)
    streams.do(BEA, AssignExternalId(type_id=EXTERNAL_ID_TYPE, value="B-1"))
    streams.merge(ANN, BEA)
    index = CandidateIndex(streams.states.values())
    for last, born in (("Lee", BORN), ("Cole", OTHER_BORN)):
        outcome = meet(index, person("Ann", last, born, external_ids=((EXTERNAL_ID_TYPE, "B-1"),)))
        assert isinstance(outcome, Match)
        assert (outcome.id, outcome.tier, outcome.overlay) == (ANN, "external_id", None)


def test_an_external_id_of_one_is_everybodys_whatever_the_survivor_is_called_by_now():
    streams = Streams()
    streams.create(ANN, first_name="Ann", last_name="Lee", date_of_birth=BORN)
    streams.create(BEA, first_name="Bea", last_name="Cole", date_of_birth=OTHER_BORN)
    streams.do(BEA, AssignExternalId(type_id=EXTERNAL_ID_TYPE, value="B-1"))
    streams.do(ANN, ChangeFact("first_name", "Dee"))
    streams.merge(ANN, BEA)
    streams.do(ANN, ChangeFact("first_name", "Zoe"))
    index = CandidateIndex(streams.states.values())
    outcome = meet(index, person("Dee", "Lee", BORN, external_ids=((EXTERNAL_ID_TYPE, "B-1"),)))
    assert isinstance(outcome, Match)
    assert (outcome.id, outcome.tier, outcome.overlay) == (ANN, "external_id", None)


def test_what_is_known_of_one_is_not_replaced_by_what_another_is_known_by():
    streams = Streams()
    streams.create(ANN, first_name="Jo", last_name="Smith", date_of_birth=BORN, gender="M", phone_number=PHONE)
    streams.create(BEA, first_name="Eve", last_name="Cole", date_of_birth=OTHER_BORN, gender="F")
    streams.merge(ANN, BEA)
    index = CandidateIndex(streams.states.values())
    assert isinstance(meet(index, person("Jo", "Smith", gender="M", phone=PHONE)), Match)
    assert isinstance(meet(index, person("Jo", "Smith", gender="F", phone=PHONE)), NoMatch)
    assert isinstance(meet(index, person("Jo", "Smith", OTHER_BORN, phone=PHONE)), NoMatch)


def test_of_several_birth_dates_the_one_that_the_record_says_counts_for_who_has_none():
    streams = Streams()
    streams.create(ANN, first_name="Jo", last_name="Smith", phone_number=PHONE)
    for patient_id, born in ((BEA, OTHER_BORN), (CAT, BORN)):
        streams.create(patient_id, first_name="Eve", last_name="Cole", date_of_birth=born)
        streams.merge(ANN, patient_id)
    index = CandidateIndex(streams.states.values())
    for born in (BORN, OTHER_BORN):
        assert isinstance(meet(index, person("Jo", "Smith", born, phone=PHONE)), Match)
