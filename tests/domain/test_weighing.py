"""Who is singled out, and at whom should a person look, word by word? Whole records: test_matching.py."""

from itertools import product

import pytest

from domain.evidence import Evidence
from domain.weighing import disagrees_as_a_person, may_be_one_person, single_out

ORDER = (
    ("equal", "doubtful"),
    ("nickname", "spelling", "swapped", "former"),
    ("part", "initial", "additional"),
    ("torn", "typo", "misspelt", "ending", "similar", "overlap", "alike", "month_day_swapped"),
    ("", "placeholder"),
    ("different", "one_sided"),
)
SAME_NAME = [
    "equal",
    "nickname",
    "spelling",
    "initial",
    "part",
    "torn",
    "former",
    "swapped",
    "typo",
    "misspelt",
    "ending",
]
CLOSE_SURNAME = ["equal", "part", "typo", "similar", "former", "swapped", "overlap", "drifted"]
CONTACT = [*product(["phone"], ["equal", "additional"]), ("email", "equal")]
WEAK_CONTACT = [*product(["phone"], ["shared", "both_additional", "refused"]), ("email", "shared")]
SAME_BIRTH = ["equal", "doubtful", "typo", "month_day_swapped"]
PHONE = {"phone": "equal"}


def looked_at(first: str, last: str, born: str = "", **more: str) -> bool:
    return may_be_one_person(Evidence(first_name=first, last_name=last, date_of_birth=born, **more))


@pytest.mark.parametrize(
    "field", ["first_name", "last_name", "date_of_birth", "phone", "email", "middle_name", "suffix", "external_id"]
)
def test_of_two_the_one_with_the_better_word_is_singled_out_and_of_equal_ones_nobody(field):
    ranked = [(rank, word) for rank, words in enumerate(ORDER) for word in words]
    for (rank, word), (other_rank, other) in product(ranked, ranked):
        place = single_out([Evidence(**{field: word}), Evidence(**{field: other})])
        assert place == (None if rank == other_rank else int(other_rank < rank)), (word, other)


def test_who_beats_one_and_not_the_other_is_not_singled_out():
    phone, email, both = Evidence(phone="equal"), Evidence(email="equal"), Evidence(phone="equal", email="equal")
    assert single_out([phone, email, Evidence()]) is None
    assert single_out([phone, Evidence(), both]) == 2


def test_the_same_sex_singles_nobody_out_and_another_one_counts_against():
    same, unknown, other = (Evidence(gender=word) for word in ("equal", "", "different"))
    assert single_out([same, unknown]) is None
    assert single_out([other, same]) == single_out([other, unknown]) == 1


@pytest.mark.parametrize("first", SAME_NAME)
@pytest.mark.parametrize("last", CLOSE_SURNAME)
def test_two_of_one_name_are_looked_at_when_anything_else_agrees(first, last):
    for field, word in CONTACT + WEAK_CONTACT:
        assert looked_at(first, last, "different", **{field: word}), (field, word)
    assert all(looked_at(first, last, born) for born in SAME_BIRTH)
    assert not looked_at(first, last)
    assert not looked_at(first, last, "different", phone="different", email="different")


@pytest.mark.parametrize("last", CLOSE_SURNAME)
def test_whatever_the_given_name_a_surname_a_birth_and_a_contact_in_common_are_looked_at(last):
    for born in SAME_BIRTH:
        assert looked_at("different", last, born, **PHONE)
        assert not looked_at("different", last, born, phone="shared")
    assert not looked_at("different", last, **PHONE)


@pytest.mark.parametrize("last", CLOSE_SURNAME)
def test_of_a_surname_with_a_given_name_that_is_near_or_missing_a_contact_or_the_birth_date_is_asked(last):
    for first in ("alike", "drifted", "", "placeholder"):
        assert looked_at(first, last, **PHONE)
        assert looked_at(first, last, "equal")
        assert not looked_at(first, last, "typo")
        assert not looked_at(first, last, "different", **PHONE), "family of another age"
        assert looked_at(first, last, phone="shared") == (first in {"alike", "drifted"})
    assert looked_at("overlap", last, "equal")
    assert not looked_at("overlap", last, **PHONE), "sisters"


@pytest.mark.parametrize("first", SAME_NAME)
def test_whatever_the_surname_a_given_name_and_a_contact_in_common_are_looked_at(first):
    for field, word in CONTACT:
        assert all(looked_at(first, "different", born, **{field: word}) for born in SAME_BIRTH)
        assert looked_at(first, "different", **{field: word}) == (first in {"equal", "nickname"})
        assert all(looked_at(first, last, **{field: word}) for last in ("", "placeholder"))
    for last in ("different", "", "placeholder"):
        assert not looked_at(first, last, phone="shared")
        assert not looked_at(first, last, "equal")
        assert not looked_at(first, last, "different", **PHONE)
    assert not looked_at("alike", "different", "equal", **PHONE)


@pytest.mark.parametrize("last", ["different", "", "placeholder"])
def test_another_surname_beside_another_given_name_needs_no_look(last):
    for first in ("different", "alike", "drifted", "overlap", "", "placeholder"):
        assert not looked_at(first, last, **PHONE)
        assert not looked_at(first, last, "equal", **PHONE)


@pytest.mark.parametrize(
    ("words", "two"),
    [
        ({"first_name": "different"}, True),
        ({"first_name": "alike"}, False),
        ({"first_name": "overlap", "last_name": "different"}, True),
        ({"first_name": "typo", "last_name": "different"}, False),
        ({"last_name": "different"}, False),
        ({"last_name": "different", "date_of_birth": "different"}, True),
        ({"last_name": "different", "date_of_birth": "typo"}, False),
        ({"date_of_birth": "different"}, False),
        ({"suffix": "different"}, True),
        ({"suffix": "one_sided"}, False),
    ],
)
def test_two_people_disagree_by_more_than_a_typo_or_a_marriage(words, two):
    assert disagrees_as_a_person(Evidence(**words), renamed=False) is two


@pytest.mark.parametrize("first", ["different", "overlap", "alike"])
def test_another_name_of_ones_own_is_no_disagreement_unless_something_else_is(first):
    assert not disagrees_as_a_person(Evidence(first_name=first), renamed=True)
    assert disagrees_as_a_person(Evidence(first_name=first, last_name="different"), renamed=True)
    assert disagrees_as_a_person(Evidence(first_name=first, date_of_birth="different"), renamed=True)
