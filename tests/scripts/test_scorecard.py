"""Does the scorecard count right, and does the matching hold on people whose records are known?

Generated sets run here in a small size; public ones where their data is. The whole card: `./scripts/ledger scorecard`.
"""

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from domain.ledger import Ledger
from scripts.scorecard import generated, labelled
from scripts.scorecard.measure import agreement, links, score
from scripts.scorecard.placing import Placing, place_naively
from scripts.scorecard.run import DATA, judge, shuffle
from scripts.scorecard.sets import Expected, Labelled, LabelledSet, Unavailable
from tests.clinic import open_ledger
from tests.conftest import NewDatabase


@pytest.fixture(scope="module")
def ledger(new_database: NewDatabase) -> Iterator[Ledger]:
    """Yield a ledger that the sets of this file share; each has an organization of its own."""
    with new_database() as url, open_ledger(url) as opened:
        yield opened


# ---- counting


def placed(*patients: str | None, tiers: tuple[str | None, ...] = (), flags: tuple[str, ...] = ()) -> Placing:
    """Return a placing; a flag is two patients of one letter each."""
    return Placing(
        list(patients), [*tiers, *[None] * (len(patients) - len(tiers))], {frozenset(flag) for flag in flags}
    )


def test_pairs_are_counted_as_found_missed_and_wrong():
    told = score(["Ann", "Ann", "Ann", "Bob"], placed("x", "x", "y", "x", tiers=(None, None, None, "phone_fuzzy_name")))
    assert (told.pairs, told.found, told.missed, told.wrong) == (3, 1, 2, 2)
    assert (told.precision, told.recall) == (1 / 3, 1 / 3)
    assert told.wrong_by_tier == {"phone_fuzzy_name": 2}


def test_a_missed_pair_that_a_person_was_shown_is_flagged():
    told = score(["Ann", "Ann", "Ann"], placed("x", "y", "z", flags=("xy",)))
    assert (told.missed, told.unflagged) == (3, 2)


def test_a_refused_record_is_missed_and_its_sender_was_told():
    told = score(["Ann", "Ann"], placed("x", None))
    assert (told.refused, told.missed, told.recall, told.b_cubed_recall) == (1, 1, 0.0, 0.5)
    assert told.unflagged == 0


def test_b_cubed_is_the_mean_over_records():
    told = score(["Ann", "Ann", "Ann", "Bob"], placed("x", "x", "y", "y"))
    assert told.b_cubed_precision == (1 + 1 + 0.5 + 0.5) / 4
    assert told.b_cubed_recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)


def test_of_watched_pairs_only_these_count():
    told = score(["Ann", "Bob", "Cy", "Dee"], placed("x", "x", "x", "y"), pairs=[(0, 1), (2, 3)])
    assert (told.pairs, told.wrong, told.unflagged, told.b_cubed_recall) == (2, 1, 1, None)


def test_what_is_expected_and_does_not_hold_is_named():
    told = score(["Ann", "Ann", "Bob"], placed("x", "y", "y"))
    expected = Expected(precision=0.5, recall=0.5, most_wrong=0, most_unflagged=0)
    assert told.falls_short(expected) == ["precision ≥ 0.5", "recall ≥ 0.5", "wrong ≤ 0", "unflagged ≤ 0"]
    assert told.falls_short(Expected()) == []


def test_agreement_is_over_all_pairs_and_over_the_linked_ones():
    one, other = links(["a", "a", "b", "c"]), links(["a", "a", "b", "b"])
    assert agreement([one, one], 4) == (1.0, 1.0)
    assert agreement([one, other], 4) == (1 - 1 / 6, 1 - 1 / 2)


def test_the_naive_cascade_is_as_careless_as_it_says():
    shared = {"phone_number": "212-555-0142"}
    records = [
        Labelled("Patrick", {"first_name": "Patrick", "last_name": "Lee", **shared}),
        Labelled("Patricia", {"first_name": "Patricia", "last_name": "Lee", **shared}),
        Labelled("Zoe", {"first_name": "Zoe", "last_name": "Fox", **shared}),
        Labelled("Ann", {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1900-01-01"}),
        Labelled("another Ann", {"first_name": "ANN", "last_name": "Lee", "date_of_birth": "1900-01-01"}),
        Labelled("nobody", {"first_name": "Ann"}),
    ]
    placing = place_naively(records, "US", date(2026, 11, 23))
    assert placing.patients[0] == placing.patients[1] != placing.patients[2]
    assert placing.patients[3] == placing.patients[4]
    assert placing.patients[5] is None


def test_generated_sets_are_the_same_on_every_machine():
    for make in (generated.twins, generated.placeholders, generated.families):
        assert make(20).records == make(20).records
    assert generated.twins(20, seed=1).records != generated.twins(20, seed=2).records


# ---- matching


@pytest.mark.parametrize(
    ("make", "count"), [(generated.twins, 400), (generated.placeholders, 210), (generated.families, 80)]
)
def test_the_matching_holds_on_generated_people(ledger: Ledger, make: Callable[[int], LabelledSet], count: int):
    told = judge(ledger, make(count))
    assert told["falls_short"] == []
    assert told["wrong"] <= told["naive"]["wrong"]
    assert told["naive"]["wrong"] > 0, "the set asks nothing of a matcher"


def test_the_order_of_records_hardly_matters(ledger: Ledger):
    told = shuffle(ledger, generated.shuffles(25, times=5))
    assert told["falls_short"] == []
    assert told["same_linked_pairs"] > 0.9


PUBLIC = {
    "Uganda": lambda: labelled.uganda(DATA),
    "FEBRL 4": lambda: labelled.febrl(4),
    "FEBRL 3": lambda: labelled.febrl(3),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PUBLIC)
def test_the_matching_holds_on_public_data(ledger: Ledger, name: str):
    try:
        chosen = PUBLIC[name]()
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert judge(ledger, chosen)["falls_short"] == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("with_birthday", [False, True])
def test_members_of_a_household_stay_apart(ledger: Ledger, *, with_birthday: bool):
    try:
        chosen = labelled.households(with_birthday=with_birthday)
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert judge(ledger, chosen)["falls_short"] == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("make", [generated.twins, generated.placeholders])
def test_the_matching_holds_on_generated_people_in_full(ledger: Ledger, make):
    assert judge(ledger, make())["falls_short"] == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_orders_of_one_batch_make_the_same_patients(ledger: Ledger):
    assert shuffle(ledger, generated.shuffles())["falls_short"] == []
