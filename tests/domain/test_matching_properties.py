"""What holds of the matching whatever the records say."""

import subprocess
import sys
from dataclasses import asdict, replace
from itertools import permutations
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.evidence import restates
from domain.matching import Candidate, Identity, Match, NoMatch, Rules, classify, match_keys
from tests.domain.people import known, place

FIRST = ["Ann", "Anna", "Anne", "Bob", "Robert", "Robrt", "Jonathan", "Jonathn", "J", "Baby Boy", "Maria", "Mario"]
LAST = ["Lee", "Smith", "Smyth", "Smith Jr", "Smith Sr", "García-López", "Lopez", "Robert", "Unknown"]
BORN = ["1980-03-04", "1980-04-03", "1980-03-05", "1950-12-24", "1900-01-01", "1970-01-01"]
PHONES = ["+12125550142", "+12125550199", "+19999999999"]
EMAILS = ["lees@example.com", "ann@example.org", "info@clinic.org"]
TIERS = ["external_id", "demographics", "phone_fuzzy_name", "email_fuzzy_name", None]


def maybe(values: list[str]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(values)


identities = st.builds(
    Identity,
    first_name=maybe(FIRST),
    middle_name=maybe(["Marie", "M", "Louise"]),
    last_name=maybe(LAST),
    date_of_birth=maybe(BORN),
    gender=maybe(["male", "F", "other"]),
    phone=maybe(PHONES),
    additional_phone=maybe(PHONES),
    email=maybe(EMAILS),
    external_ids=st.sampled_from([(), (("mrn", "1"),), (("mrn", "2"),), (("ssn", "1"),)]),
)
patients = st.lists(identities, max_size=7).map(lambda each: known(*each))


def rank(outcome: Match | NoMatch) -> int:
    """Return how high the tier is; the best is 0."""
    return TIERS.index(outcome.tier if isinstance(outcome, Match) else None)


@given(identities, patients, st.randoms())
def test_the_order_of_candidates_does_not_matter(record, candidates, rng):
    shuffled = rng.sample(candidates, len(candidates))
    assert classify(record, candidates) == classify(record, shuffled)


@given(identities, identities)
def test_who_matches_is_matched(one, other):
    forth, back = (classify(a, [Candidate("x", b)]) for a, b in ((one, other), (other, one)))
    assert rank(forth) == rank(back)
    assert isinstance(forth, Match) or not isinstance(back, Match)


@given(identities, identities)
def test_who_matches_shares_a_key(one, other):
    if isinstance(place(one, other), Match):
        assert match_keys(one) & match_keys(other)


@given(identities, identities)
def test_a_contradicting_birth_date_never_raises_the_tier(record, patient):
    without = replace(record, date_of_birth=None)
    patient = replace(patient, date_of_birth="1980-03-04")
    contradicting = replace(record, date_of_birth="1950-12-24")
    assert rank(place(contradicting, patient)) >= rank(place(without, patient))


AGREEING = [
    (field, value)
    for field, values in (
        ("date_of_birth", BORN), ("phone", PHONES), ("email", EMAILS), ("gender", ["male", "F", "other"]),
        ("middle_name", ["Marie", "M", "Louise"]),
    )
    for value in values
]  # fmt: skip


@given(identities, identities, st.sampled_from(AGREEING))
def test_a_field_that_agrees_never_lowers_the_tier(record, patient, agreeing):
    """But for twins: to share a contact is what they do, so an initial or a spelling no longer does."""
    field, value = agreeing
    patient = replace(patient, **{field: value})
    before = place(replace(record, **{field: None}), patient)
    after = place(replace(record, **{field: value}), patient)
    twins = isinstance(after, NoMatch) and [rival.reason for rival in after.rivals] == ["twins"]
    assert rank(after) <= rank(before) or twins


@given(identities, patients)
def test_the_same_record_again_finds_the_patient_it_made(record, candidates):
    """But for placeholder names, which are nobody's; and unless two said the very same before."""
    assume(not record.name.given_is_placeholder and not record.name.surname_is_placeholder)
    assume((record.phones and record.phone) or (record.name.given and record.name.surname and record.birth_date))
    assume(sum(restates(record, each.identity) for each in candidates) < 2)
    if isinstance(classify(record, candidates), NoMatch):
        made = Candidate(
            "made",
            replace(record, created_first_name=record.first_name, created_last_name=record.last_name),
        )
        again = classify(record, [*candidates, made])
        assert isinstance(again, Match)
        assert again.id == "made"


@given(identities, patients)
def test_evidence_is_words_not_values(record, candidates):
    outcome = classify(record, candidates)
    told = [rival.evidence for rival in outcome.rivals] + ([outcome.evidence] if isinstance(outcome, Match) else [])
    values = {value for value in asdict(record).values() if isinstance(value, str)} - {"male", "F", "other", "M"}
    assert not values & {word for each in told for word in each.values()}


@given(identities, patients)
def test_no_close_variant_matches_by_demographics_where_they_are_off(record, candidates):
    outcome = classify(record, candidates, Rules(close_variants=False))
    if isinstance(outcome, Match) and outcome.tier == "demographics":
        assert (outcome.evidence["first_name"], outcome.evidence["last_name"]) == ("equal", "equal")


def test_the_hash_seed_does_not_matter():
    script = (
        "from domain.matching import Candidate, Identity, classify;"
        "p = dict(last_name='Lee', phone='+12125550142');"
        "names = ['Ann', 'Anna', 'Bob', 'Robert', 'Jon', 'John', 'Maria'];"
        "c = [Candidate(n, Identity(first_name=n, **p)) for n in names];"
        "print([classify(Identity(first_name=n, **p), c) for n in names])"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_every_order_of_one_batch_makes_the_same_people():
    """A family with a typo and a missing date, record after record, in each of 120 orders."""
    lee = Identity(last_name="Leeson", phone="+12125550142")
    batch = [
        replace(lee, first_name="Robert", date_of_birth="1980-03-04"),
        replace(lee, first_name="ROBERT"),
        replace(lee, first_name="Anna", date_of_birth="1980-11-23"),
        replace(lee, first_name="Ann", date_of_birth="2011-09-14"),
        replace(lee, first_name="Robrt", date_of_birth="1980-03-04"),
    ]
    partitions = {_partition(order) for order in permutations(batch)}
    assert partitions == {
        frozenset({frozenset({"Robert", "ROBERT", "Robrt"}), frozenset({"Anna"}), frozenset({"Ann"})})
    }


def _partition(batch: tuple[Identity, ...]) -> frozenset[frozenset[str]]:
    """Return who landed together when each record either overwrites its patient or makes one."""
    people: dict[str, Identity] = {}
    names: dict[str, set[str]] = {}
    for record in batch:
        outcome = classify(record, [Candidate(patient_id, each) for patient_id, each in people.items()])
        if isinstance(outcome, Match):
            said: dict[str, Any] = {name: value for name, value in asdict(record).items() if value}
            people[outcome.id] = replace(people[outcome.id], **said)
            names[outcome.id].add(record.first_name or "")
        else:
            patient_id = str(len(people))
            people[patient_id] = replace(
                record, created_first_name=record.first_name, created_last_name=record.last_name
            )
            names[patient_id] = {record.first_name or ""}
    return frozenset(map(frozenset, names.values()))
