"""Who could a record of a list be, as the list is decided?"""

from domain.candidates import CandidateIndex
from domain.commands import ChangePhone
from domain.events import DuplicateDismissed
from domain.evidence import Identity
from domain.matching import Candidate, MatchKey, Rules
from tests.domain.people import OTHER_PHONE, PHONE
from tests.domain.records import ORGANIZATION
from tests.domain.streams import ANN, BEA, CAT, DAN, Streams

RULES = Rules()


def by_phone(
    index: CandidateIndex, phone: str, rules: Rules = RULES, organization_id: str = ORGANIZATION.id
) -> tuple[list[Candidate], frozenset[MatchKey]]:
    return index.candidates(organization_id, Identity(phone=phone), [("phone", phone)], rules)


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
