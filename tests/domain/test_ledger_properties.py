"""Whatever partners send: is saying it again silent, a list the same as one by one, and a row what its stream says?"""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from domain.candidates import CandidateIndex
from domain.entry import canonical
from domain.errors import LedgerError
from domain.matching import classify, match_keys
from domain.normalise import normalise
from domain.receipt import Receipt
from domain.upsert import identity_of_record, rules_of
from tests.clinic import Clinic, check_positions, check_read_models
from tests.domain.records import EXTERNAL_ID_TYPE, TODAY, bodies

people = st.fixed_dictionaries(
    {},
    optional={
        "first_name": st.sampled_from(["Ann", "Anne", "Bob", "Robert", "A"]),
        "last_name": st.sampled_from(["Lee", "Leigh", "Stone", "Lee-Stone"]),
        "date_of_birth": st.sampled_from(["1980-03-01", "1980-01-03", "1971-12-24"]),
        "gender": st.sampled_from(["f", "m"]),
        "phone_number": st.sampled_from(["212-555-0142", "212-555-0143", "999-999-9999"]),
        "email": st.sampled_from(["ann@example.com", "bob@example.com", "x"]),
        "external_id": st.sampled_from(["A-1", "A-2"]).map(lambda value: {"type_id": EXTERNAL_ID_TYPE, "value": value}),
        "city": st.sampled_from(["Troy", "Rome"]),
        "tags": st.lists(st.sampled_from("ab"), max_size=2),
    },
)
"""Few values, so that records meet."""

ON_A_DATABASE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""One database for all examples, each in an organization of its own."""


def fresh(clinic: Clinic) -> Clinic:
    return Clinic(clinic.url, clinic.ledger).found()


def told(results: list[Receipt | LedgerError]) -> list[tuple[Any, ...]]:
    """Return what answers say, with patients numbered in the order in which they appear."""
    numbers: dict[str, int] = {}
    return [
        (type(each).__name__,)
        if isinstance(each, LedgerError)
        else (
            numbers.setdefault(each.patient.id, len(numbers)),
            each.created,
            None if each.created else each.outcome.tier,
            [type(event).__name__ for event in each.events],
            each.patient.version,
            each.patient.facts,
        )
        for each in results
    ]


@ON_A_DATABASE
@drawn(sent=st.lists(people, min_size=1, max_size=8))
def test_the_same_record_again_finds_the_same_patient_and_appends_nothing(clinic: Clinic, sent: list[dict[str, Any]]):
    own = fresh(clinic)
    for body in sent:
        (first,) = own.send_list(body)
        (again,) = own.send_list(body)
        assert type(first) is type(again)
        if isinstance(first, Receipt) and isinstance(again, Receipt):
            assert canonical(again.patient) == canonical(first.patient)
            assert (again.events, again.position, again.created) == ((), None, False)
            assert again.dropped == first.dropped
    check_read_models(own)


@ON_A_DATABASE
@drawn(sent=st.lists(people, min_size=1, max_size=8))
def test_a_list_is_placed_as_its_records_one_by_one(clinic: Clinic, sent: list[dict[str, Any]]):
    one_by_one, listed = fresh(clinic), fresh(clinic)
    singly = [result for body in sent for result in one_by_one.send_list(body)]
    assert told(listed.send_list(*sent)) == told(singly)
    check_read_models(listed)
    check_positions(clinic.url)


@ON_A_DATABASE
@drawn(sent=st.lists(bodies, min_size=1, max_size=4))
def test_whatever_is_sent_what_is_stored_is_the_fold_of_what_happened(clinic: Clinic, sent: list[dict[str, Any]]):
    own = fresh(clinic)
    for body in (*sent, *sent):
        for result in own.send_list(body):
            if isinstance(result, Receipt):
                as_of = clinic.ledger.patient_as_of(own.id, result.patient.id, version=result.patient.version)
                assert canonical(result.patient) == canonical(as_of)
    check_read_models(own)


@drawn(sent=st.lists(people, min_size=1, max_size=6), random=st.randoms())
@ON_A_DATABASE
def test_the_order_of_candidates_does_not_matter(clinic: Clinic, sent: list[dict[str, Any]], random: Any):
    """What the database returns first, or a list has put first, must not decide whose record it is."""
    own = fresh(clinic)
    results = own.send_list(*sent)
    states = {each.patient.id: each.patient for each in results if isinstance(each, Receipt)}
    organization = own.ledger.organization(own.id)
    rules = rules_of(organization)
    for upsert in own.upserts(*sent):
        clean, _ = normalise(upsert.record, organization=organization, today=TODAY)
        identity = identity_of_record(clean)
        outcomes = []
        for _ in range(3):
            shuffled = list(states.values())
            random.shuffle(shuffled)
            index = CandidateIndex(shuffled)
            for state in shuffled:
                index.put(state)  # a second time, as when a record of the list has changed it
            candidates, crowded = index.candidates(own.id, identity, match_keys(identity), rules)
            outcomes.append(classify(identity, candidates, rules, crowded))
        assert outcomes[0] == outcomes[1] == outcomes[2]
