"""Whose record is this? One test for each rule of the cascade."""

from dataclasses import replace

import pytest

from domain.matching import Candidate, Identity, Match, MatchKey, NoMatch, Rules, classify
from tests.domain.people import (
    ANN,
    BORN,
    EMAIL,
    OTHER_BORN,
    OTHER_EMAIL,
    OTHER_PHONE,
    PHONE,
    known,
    person,
    place,
    refusal,
    tier,
    unremarkable,
)

# ---- demographics


def test_equal_names_and_birth_date_are_one_person():
    assert tier(person("ANN", "LEE", BORN), ANN) == "demographics"


@pytest.mark.parametrize(
    ("one", "other"),
    [(("José", "Núñez"), ("JOSE", "NUNEZ")), (("Ann", "García-López"), ("Ann", "Garcia Lopez")), (("王", "明"),) * 2],
)
def test_accents_hyphens_and_script_do_not_tell_apart(one, other):
    outcome = place(person(one[0], one[1], BORN), person(other[0], other[1], BORN))
    assert isinstance(outcome, Match)
    assert outcome.evidence == {"first_name": "equal", "last_name": "equal", "date_of_birth": "equal"}


@pytest.mark.parametrize(
    ("first", "last", "evidence"),
    [
        ("Bob", "Smithson", ("nickname", "equal")),
        ("R", "Smithson", ("initial", "equal")),
        ("Robrt", "Smithson", ("typo", "equal")),
        ("Robert", "Smithsn", ("equal", "typo")),
        ("Robrt", "Smithsn", ("typo", "typo")),
        ("Bob", "Smithsn", ("nickname", "typo")),
        ("Robert", "Smithson-Cole", ("equal", "part")),
        ("Robert James", "Smithson", ("part", "equal")),
        ("Smithson", "Robert", ("swapped", "swapped")),
    ],
)
def test_close_variants_match_with_an_equal_birth_date_and_are_named(first, last, evidence):
    outcome = place(person(first, last, BORN), person("Robert", "Smithson", BORN))
    assert isinstance(outcome, Match)
    assert outcome.tier == "demographics"
    assert (outcome.evidence["first_name"], outcome.evidence["last_name"]) == evidence


def test_two_names_that_no_dictionary_has_may_have_a_slip_each_with_an_equal_birth_date():
    assert tier(person("Minjun", "Smithsen", BORN), person("Minjung", "Smithson", BORN)) == "demographics"


def test_two_spellings_of_a_name_match_with_an_equal_birth_date():
    assert tier(person("Zack", "Smith", BORN), person("Zach", "Smith", BORN)) == "demographics"


def test_two_names_that_are_alike_are_for_a_person_to_judge_with_an_equal_birth_date():
    assert refusal(person("Anna", "Lee", BORN), person("Ann", "Lee", BORN)) == ("first_name", True)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Juan Carlos", "Carlos"), ("Anna Maria", "Maria Anna"), ("Thị Mai", "Mai"), ("Ma. Teresa", "Maria Teresa")],
)
def test_given_names_with_a_word_in_common_are_for_a_person_to_judge_with_an_equal_birth_date(one, other):
    assert refusal(person(one, "Rossi", BORN), person(other, "Rossi", BORN)) == ("first_name", True)
    assert unremarkable(person("Ana de la Luz", "Rossi", BORN), person("Eva de la Paz", "Rossi", BORN))


def test_sisters_with_a_word_in_common_need_no_look_without_birth_date():
    assert unremarkable(person("Maria Elena", "Rossi", phone=PHONE), person("Lucia Maria", "Rossi", phone=PHONE))


@pytest.mark.parametrize("first", ["Emma", "R", "Robert James"])
def test_with_a_typo_in_the_surname_the_given_name_is_a_nickname_or_a_slip(first):
    robert = person("Robert", "Smithson", BORN)
    assert tier(person(first, "Smithsen", BORN), robert) is None


def test_an_organization_can_switch_close_variants_off():
    robert, bob = person("Robert", "Smith", BORN), person("Bob", "Smith", BORN)
    outcome = place(bob, robert, rules=Rules(close_variants=False))
    assert isinstance(outcome, NoMatch)
    assert [(rival.reason, rival.flag) for rival in outcome.rivals] == [("close_variants_off", True)]
    assert tier(robert, robert, rules=Rules(close_variants=False)) == "demographics"


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("Bob", "Smithson"),
        ("Robert James", "Smithson"),
        ("Robrt", "Smithson"),
        ("Bob", "Smithsen"),
        ("Smithson", "Robert"),
    ],
)
def test_with_close_variants_off_a_contact_still_carries_them(first, last):
    robert = person("Robert", "Smithson", BORN, phone=PHONE)
    record = person(first, last, BORN, phone=PHONE)
    assert tier(record, robert, rules=Rules(close_variants=False)) == "phone_fuzzy_name"


def test_an_exact_match_wins_over_a_close_one():
    outcome = place(person("Ann", "Lee", BORN), person("Ann", "Lee-Cole", BORN), person("Ann", "Lee", BORN))
    assert isinstance(outcome, Match)
    assert outcome.id == "2"


def test_a_half_surname_does_not_match_against_other_contacts():
    compound = person("Ann", "Garcia-Lopez", BORN, phone=PHONE)
    assert tier(person("Ann", "Lopez", BORN, phone=PHONE), compound) == "demographics"
    assert refusal(person("Ann", "Lopez", BORN, phone=OTHER_PHONE), compound) == ("contact", True)


@pytest.mark.parametrize("phone", [PHONE, OTHER_PHONE, None])
def test_a_name_with_an_initial_is_a_longer_name_only_where_the_sex_is_known_and_the_same(phone):
    roberta = person("Roberta", "Smithson", BORN, phone=PHONE, gender="F")
    robert_a = person("Robert A", "Smithson", BORN, phone=phone)
    assert refusal(robert_a, roberta) == ("gender", True)
    assert refusal(replace(robert_a, gender="M"), roberta) == ("gender", True)
    assert tier(replace(robert_a, gender="F"), roberta) == "demographics"


def test_a_former_surname_does_not_match_against_other_contacts_but_a_nickname_does():
    married = person("Robert", "Cole", BORN, phone=PHONE, former_last_names=("Smithson",))
    assert refusal(person("Robert", "Smithson", BORN, phone=OTHER_PHONE), married) == ("contact", True)
    assert tier(person("Bob", "Cole", BORN, phone=OTHER_PHONE), married) == "demographics"


def test_month_and_day_swapped_match_only_with_a_contact():
    swapped = replace(ANN, date_of_birth="1980-04-03", phone=None, email=None)
    patient = replace(ANN, date_of_birth="1980-03-04")
    assert refusal(swapped, patient) == ("date_of_birth", True)
    assert tier(replace(swapped, phone=PHONE), patient) == "phone_fuzzy_name"


def test_two_full_middle_names_tell_namesakes_apart_unless_a_contact_agrees():
    marie = replace(ANN, middle_name="Marie")
    louise = person("Ann", "Lee", BORN, middle_name="Louise")
    assert refusal(louise, marie) == ("middle_name", True)
    assert tier(replace(louise, phone=PHONE), marie) == "demographics"


def test_jr_and_sr_are_two_people_in_every_tier():
    senior = person("John", "Smith Sr", "1950-02-02", phone=PHONE)
    assert refusal(person("John", "Smith Jr", phone=PHONE), senior) == ("suffix", True)
    assert refusal(person("John", "Smith, Jr.", "1950-02-02"), senior) == ("suffix", True)
    assert refusal(person("Johnny", "Smith Jr", "1950-02-02"), senior) == ("suffix", True)
    assert tier(person("John", "Smith", "1950-02-02"), senior) == "demographics"


def test_a_suffix_on_one_side_without_birth_date_is_a_namesake():
    assert refusal(person("John", "Smith Jr", phone=PHONE), person("John", "Smith", phone=PHONE)) == ("suffix", True)


def test_a_suffix_that_was_said_once_is_known_for_good():
    junior = person("John", "Smith", phone=PHONE, former_last_names=("Smith Jr",))
    created = person("John", "Smith", phone=PHONE, created_last_name="Smith Jr", created_first_name="John")
    for son in (junior, created):
        assert refusal(person("John", "Smith", "1950-02-02", phone=PHONE), son) == ("suffix", True)
        assert refusal(person("John", "Smith Sr", phone=PHONE), son) == ("suffix", True)
        assert tier(person("John", "Smith Jr", phone=PHONE), son) == "phone_fuzzy_name"
        assert tier(person("John", "Smith", phone=PHONE), son) == "phone_fuzzy_name", "just what is known"


def test_a_given_name_and_a_contact_are_for_a_person_to_judge_whatever_the_surname():
    bride = person("Rosa", "Diaz", phone=PHONE)
    assert refusal(person("Rosa", "Weber", phone=PHONE), bride) == ("last_name", True)
    assert refusal(person("Rosa", "Weber", BORN, email=EMAIL), replace(bride, email=EMAIL)) == ("last_name", True)
    assert refusal(person("Rosa", "Unknown", phone=PHONE), bride) == ("placeholder_name", True)
    assert unremarkable(person("R", "Weber", phone=PHONE), bride)
    assert unremarkable(
        person("Rosa", "Weber", phone=PHONE, date_of_birth=BORN), replace(bride, date_of_birth=OTHER_BORN)
    )
    assert unremarkable(person("Eva", "Weber", phone=PHONE), bride)


# ---- placeholders


def test_placeholder_birth_dates_do_not_match():
    default = person("Ann", "Lee", "1900-01-01", phone=PHONE)
    assert tier(replace(default, phone=OTHER_PHONE), default) is None


def test_the_unix_epoch_counts_only_where_contacts_do_not_contradict():
    epoch = person("Ann", "Lee", "1970-01-01", phone=PHONE)
    assert tier(replace(epoch, phone=None), epoch) == "demographics"
    assert refusal(replace(epoch, phone=OTHER_PHONE), epoch) == ("date_of_birth", True)
    woman, man = (replace(epoch, phone=None, gender=sex) for sex in ("female", "male"))
    assert tier(woman, replace(woman, phone=PHONE)) == "demographics"
    assert refusal(woman, man) == ("date_of_birth", True)


@pytest.mark.parametrize("first", ["Baby Girl", "Noah", "Baby Boy"])
def test_newborns_without_a_name_are_for_a_person_to_judge(first):
    newborn = person("Baby Boy", "Lee", "2026-11-01", phone=PHONE)
    assert refusal(replace(newborn, first_name=first), newborn) == ("placeholder_name", True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"first_name": "Judy Girl A"}, {"first_name": "Judy Girl B"}),
        ({"first_name": "Judys Boy 1"}, {"first_name": "Judys Boy 2"}),
        ({"first_name": "Judy Girl"}, {"first_name": "Judy Girl B"}),
        ({"first_name": "WendysgirlA"}, {"first_name": "WendysgirlB"}),
        ({"first_name": "Wendysgirl A"}, {"first_name": "Wendysgirl B"}),
        ({"first_name": "Judy Twin", "middle_name": "A"}, {"first_name": "Judy Twin", "middle_name": "B"}),
        ({"first_name": "Boy A of Judy"}, {"first_name": "Boy B of Judy"}),
        ({"first_name": "Girl A Judy"}, {"first_name": "Girl B Judy"}),
        ({"first_name": "Girl Judy A"}, {"first_name": "Girl Judy B"}),
        ({"first_name": "JudyTwinA"}, {"first_name": "JudyTwinB"}),
        ({"first_name": "Judy F A"}, {"first_name": "Judy F B"}),
        ({"first_name": "GirlA"}, {"first_name": "GirlB"}),
        ({"first_name": "TwinA"}, {"first_name": "TwinB"}),
        ({"first_name": "Newborn1"}, {"first_name": "Newborn2"}),
        ({"first_name": "RN1 de Maria"}, {"first_name": "RN2 de Maria"}),
        ({"first_name": "Son of Judy 1"}, {"first_name": "Son of Judy 2"}),
        ({"first_name": "Gemelar 1"}, {"first_name": "Gemelar 2"}),
        ({"first_name": "MaleA"}, {"first_name": "MaleB"}),
        ({"first_name": "JudyMaleA"}, {"first_name": "JudyMaleB"}),
        ({"first_name": "Gemelo A"}, {"first_name": "Gemelo B"}),
        ({"first_name": "MellizaA"}, {"first_name": "MellizaB"}),
        ({"first_name": "Bebe", "middle_name": "A"}, {"first_name": "Bebe", "middle_name": "B"}),
        ({"first_name": "Hijo de Maria"}, {"first_name": "Hija de Maria"}),
        ({"first_name": "Beta of Sunita"}, {"first_name": "Beti of Sunita"}),
    ],
)
def test_newborns_who_bear_their_mothers_name_are_told_apart_by_a_letter(one, other):
    newborn = person(None, "Lee", "2026-11-01", phone=PHONE)
    first, second = replace(newborn, **one), replace(newborn, **other)
    _, flagged = refusal(second, first)
    assert flagged
    assert tier(first, first, second) == "demographics"


def test_a_digit_within_a_name_is_still_a_slip():
    patient = person("Robert", "Lee", "1980-03-01")
    assert tier(replace(patient, first_name="R0bert"), patient) == "demographics"


def test_strangers_who_share_only_placeholders_share_nothing():
    stranger = person("Unknown", "Unknown", "1900-01-01", phone="+19999999999", email="none@none.com")
    assert unremarkable(stranger, stranger)


def test_a_filler_phone_is_no_evidence():
    assert unremarkable(
        person("Ann", "Lee", phone="+19999999999"), person("Ann", "Lee", OTHER_BORN, phone="+19999999999")
    )


# ---- phone and email with a fuzzy name


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("Robert", "Smithson"),
        ("Bob", "Smithson"),
        ("Robrt", "Smithson"),
        ("Robert", "Smithsen"),
        ("Robert", "Smithsonne"),
    ],
)
def test_a_shared_phone_and_a_fuzzy_name_match_without_a_birth_date(first, last):
    patient = person("Robert", "Smithson", BORN, phone=PHONE)
    assert tier(person(first, last, phone=PHONE), patient) == "phone_fuzzy_name"


def test_a_shared_email_is_the_last_tier():
    assert tier(person("Ann", "Lee", email=EMAIL), ANN) == "email_fuzzy_name"
    assert tier(person("Ann", "Lee", email=EMAIL, phone=PHONE), ANN) == "phone_fuzzy_name"


@pytest.mark.parametrize(("first", "last"), [("Bob", "Smithsen"), ("R", "Smithson"), ("Robert", "Jones")])
def test_without_a_birth_date_one_name_must_be_equal_and_the_other_close(first, last):
    assert tier(person(first, last, phone=PHONE), person("Robert", "Smithson", phone=PHONE)) is None


def test_another_birth_date_is_another_person():
    father = person("John", "Smith", "1950-06-01", phone=PHONE)
    assert refusal(person("John", "Smith", "1980-12-24", phone=PHONE), father) == ("date_of_birth", True)


def test_a_typo_in_the_birth_date_is_the_same_person_with_the_same_name():
    assert tier(replace(ANN, date_of_birth="1980-03-22"), ANN) == "phone_fuzzy_name"
    assert refusal(replace(ANN, date_of_birth="1980-03-22", first_name="Annn"), ANN) == ("first_name", True)
    assert refusal(replace(ANN, date_of_birth="1980-03-22", last_name="Cole"), ANN) == ("last_name", True)


def test_a_typo_in_the_birth_date_leaves_room_for_a_nickname_or_for_a_typo_in_the_surname():
    robert = person("Robert", "Smithson", "1980-03-21", phone=PHONE)
    off = replace(robert, date_of_birth="1980-03-22")
    for close in (replace(off, first_name="Bob"), replace(off, last_name="Smithsen")):
        assert tier(close, robert) == "phone_fuzzy_name"
    assert refusal(replace(off, first_name="Bob", last_name="Smithsen"), robert) == ("last_name", True)


def test_a_typo_in_the_birth_date_leaves_no_room_for_another_middle_name_or_a_suffix():
    near = replace(ANN, date_of_birth="1980-03-22")
    jose, fernanda = replace(ANN, middle_name="Jose"), replace(near, middle_name="Fernanda")
    assert refusal(fernanda, jose) == ("date_of_birth", True)
    father, son = person("John", "Lee", "1950-05-12", phone=PHONE), person("John", "Lee Jr", "1980-05-12", phone=PHONE)
    assert refusal(son, father) == ("date_of_birth", True)
    assert tier(replace(near, gender="male"), replace(ANN, gender="female")) == "phone_fuzzy_name"


@pytest.mark.parametrize("what", [{"middle_name": "Scott"}, {"gender": "female"}])
def test_a_typo_in_the_birth_date_leaves_the_rest_to_decide_on_a_nickname_too(what):
    patient = person("Robert", "Lee", "1980-03-21", middle_name="James", gender="male", phone=PHONE)
    record = replace(patient, date_of_birth="1980-03-22", first_name="Bob", **what)
    assert refusal(record, patient) == (*what, True)


def test_parent_and_child_on_one_phone():
    mother = person("Ann", "Lee", BORN, phone=PHONE)
    assert unremarkable(person("Anna", "Lee", OTHER_BORN, phone=PHONE), mother)
    assert refusal(person("Anna", "Lee", phone=PHONE), mother) == ("first_name", True)
    assert unremarkable(person("Tom", "Lee", phone=PHONE), mother)


def test_mother_and_daughter_on_one_email():
    mother = person("Ann", "Lee", "1960-01-09", email=EMAIL)
    assert unremarkable(person("Annie", "Lee", "1990-07-30", email=EMAIL), mother)
    assert refusal(person("Annie", "Lee", email=EMAIL), mother) == ("first_name", True)


def test_patrick_and_patricia_are_two_people():
    assert refusal(person("Patricia", "Lee", phone=PHONE), person("Patrick", "Lee", phone=PHONE)) == (
        "first_name",
        True,
    )


def test_another_sex_vetoes_where_a_birth_date_is_missing():
    robin = person("Robin", "Lee", phone=PHONE, gender="male")
    assert refusal(replace(robin, gender="F"), robin) == ("gender", True)
    assert tier(replace(robin, gender="other"), robin) == "phone_fuzzy_name"


def test_names_that_differ_in_the_last_vowel_match_where_both_are_known_to_be_of_one_sex():
    patient, record = (person(name, "Lee", phone=PHONE, gender="female") for name in ("Wubita", "Wubit"))
    assert tier(record, patient) == "phone_fuzzy_name"
    assert refusal(replace(record, gender=None), patient) == ("gender", True)


def test_another_id_of_the_same_type_needs_equal_names_where_a_birth_date_is_missing():
    patient = person("Robert", "Smith", phone=PHONE, external_ids=(("mrn", "1"),))
    record = replace(patient, external_ids=(("mrn", "2"),))
    assert tier(record, patient) == "phone_fuzzy_name"
    assert refusal(replace(record, first_name="Bob"), patient) == ("external_id", True)


def test_a_married_name_needs_given_name_birth_date_and_a_contact():
    married = replace(ANN, last_name="Cole", email=None)
    assert tier(married, ANN) == "phone_fuzzy_name"
    assert tier(replace(married, phone=None), ANN) is None
    assert tier(replace(married, date_of_birth=None), ANN) is None


def test_with_birth_date_and_contact_the_surname_may_be_missing_or_similar_but_beside_a_nickname_not_another():
    robert = person("Robert", "Smithson", BORN, phone=PHONE)
    for surname in (None, "Smithsonne"):
        assert tier(person("Bob", surname, BORN, phone=PHONE), robert) == "phone_fuzzy_name"
    assert refusal(person("Bob", "Cole", BORN, phone=PHONE), robert) == ("last_name", True)


@pytest.mark.parametrize(("first", "created"), [("Robert James", None), ("Rupertus", "Rupertus")])
def test_with_birth_date_and_contact_a_part_of_a_name_or_a_former_one_needs_the_surname(first, created):
    robert = person("Robert", "Smithson", BORN, phone=PHONE, created_first_name=created)
    assert tier(person(first, "Smithson", BORN, phone=PHONE), robert) == "demographics"
    assert refusal(person(first, "Smithsen", BORN, phone=PHONE), robert) == ("last_name", True)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [("R", "Robert", "last_name"), ("Robert A", "Roberta", "last_name"), ("Zack", "Zach", "twins")],
)
def test_with_birth_date_and_contact_a_vague_given_name_leaves_no_room_for_a_slip_in_the_surname(one, other, reason):
    patient = person(other, "Smithson", BORN, phone=PHONE, gender="F")
    assert refusal(replace(patient, first_name=one, last_name="Smithsen"), patient) == (reason, True)


@pytest.mark.parametrize("what", [{"middle_name": "Scott"}, {"gender": "female"}])
def test_with_birth_date_and_contact_a_nickname_is_another_persons_where_the_rest_says_so(what):
    chris = person("Christopher", "Lee", BORN, phone=PHONE, middle_name="James", gender="male")
    record = replace(chris, first_name="Chris")
    assert tier(record, chris) == "demographics"
    assert refusal(replace(record, **what), chris) == (*what, True)


def test_a_former_surname_still_finds_the_patient():
    married = replace(ANN, last_name="Cole", former_last_names=("Lee",))
    assert tier(person("Ann", "Lee", BORN), married) == "demographics"


def test_an_additional_phone_counts_with_a_birth_date_only():
    patient = replace(ANN, additional_phone=OTHER_PHONE)
    record = replace(ANN, phone=OTHER_PHONE, email=None, first_name="Annie", last_name="Cole")
    assert tier(replace(record, first_name="Ann"), patient) == "phone_fuzzy_name"
    assert refusal(person("Ann", "Lee", phone=OTHER_PHONE), patient) == ("additional_phone", True)


def test_an_additional_phone_of_both_is_told_as_that_and_carries_no_match():
    patient = replace(ANN, additional_phone=OTHER_PHONE)
    outcome = place(person("Ann", "Lee", phone="+12125550111", additional_phone=OTHER_PHONE), patient)
    assert isinstance(outcome, NoMatch)
    assert [(rival.reason, rival.evidence["phone"], rival.flag) for rival in outcome.rivals] == [
        ("additional_phone", "both_additional", True)
    ]
    assert refusal(person("Lee", "Ann", phone="+12125550111", additional_phone=OTHER_PHONE), patient) == (
        "additional_phone",
        True,
    )
    near = person("Ann", "Lee", "1980-03-22", phone="+12125550111", additional_phone=OTHER_PHONE)
    assert refusal(near, patient) == ("date_of_birth", True)


def test_a_reassigned_phone_finds_nobody():
    assert unremarkable(person("Zoe", "Kim", phone=PHONE), ANN)


def test_a_phone_alone_finds_only_who_is_known_by_nothing_else():
    assert tier(Identity(phone=PHONE), Identity(phone=PHONE)) == "phone_fuzzy_name"
    assert tier(Identity(phone=PHONE), ANN) is None


# ---- twins


TWIN = person(None, "Lee", "2015-06-06", phone=PHONE, email=EMAIL)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("Ana", "Anna", "first_name"),
        ("Mia", "Mya", "first_name"),
        ("Jayden", "Hayden", "first_name"),
        ("Emma", "Noah", "first_name"),
        ("Daniel", "Daniela", "first_name"),
        ("J", "Jack", "twins"),
        ("Zach", "Zack", "twins"),
    ],
)
def test_twins_are_two_and_flagged(one, other, reason):
    assert refusal(replace(TWIN, first_name=other), replace(TWIN, first_name=one)) == (reason, True)


@pytest.mark.parametrize(("one", "other"), [("Robert", "Bob"), ("Jonathan", "Jonathn"), ("Robert", "ROBERT")])
def test_one_of_the_twins_is_found_by_an_equal_name_nickname_or_non_word(one, other):
    sibling = replace(TWIN, first_name="Margaret")
    outcome = place(replace(TWIN, first_name=other), replace(TWIN, first_name=one), sibling)
    assert isinstance(outcome, Match)
    assert outcome.id == "1"


@pytest.mark.parametrize("contact", [{}, {"phone": None, "email": None}])
@pytest.mark.parametrize(("one", "other"), [("Minjun", "Minjung"), ("Tamiko", "Tamikoa")])
def test_ids_of_one_type_tell_twins_apart_whose_names_no_dictionary_has(one, other, contact):
    first, second = (replace(TWIN, first_name=name, gender="F", **contact) for name in (one, other))
    first = replace(first, external_ids=(("mrn", "1"),))
    assert tier(second, first) == "demographics"
    assert tier(replace(second, external_ids=(("ssn", "2"),)), first) == "demographics"
    assert refusal(replace(second, external_ids=(("mrn", "2"),)), first) == ("external_id", True)


def test_ids_of_one_type_tell_twins_apart_whose_names_are_spellings_of_each_other():
    zach, zack = (person(name, "Lee", BORN, external_ids=(("mrn", name),)) for name in ("Zach", "Zack"))
    assert tier(replace(zack, external_ids=()), zach) == "demographics"
    assert refusal(zack, zach) == ("external_id", True)


@pytest.mark.parametrize("first", ["Bob", "Robrt"])
def test_ids_of_one_type_tell_nobody_apart_by_a_nickname_or_a_slip_in_a_known_name(first):
    robert = person("Robert", "Lee", BORN, external_ids=(("mrn", "1"),))
    assert tier(replace(robert, first_name=first, external_ids=(("mrn", "2"),)), robert) == "demographics"


def test_ids_of_one_type_tell_twins_apart_who_differ_in_the_middle_name():
    ali, hassan = (replace(TWIN, first_name="Mohammed", middle_name=name) for name in ("Ali", "Hassan"))
    assert tier(hassan, ali) == "demographics"
    two = replace(hassan, external_ids=(("mrn", "2"),)), replace(ali, external_ids=(("mrn", "1"),))
    assert refusal(*two) == ("middle_name", True)


@pytest.mark.parametrize("other", ["Daniel", "Dwayne"])
def test_an_initial_is_nobodys_where_it_may_be_the_twins_who_has_the_phone(other):
    mine = replace(TWIN, first_name="Danielle", email=None)
    twin = replace(TWIN, first_name=other, phone=OTHER_PHONE, email=None)
    record = replace(TWIN, first_name="D", email=None)
    assert tier(record, twin) == "demographics"
    outcome = place(record, mine, twin)
    assert isinstance(outcome, NoMatch)
    assert outcome.ambiguous
    assert {(each.id, each.flag) for each in outcome.rivals} == {("1", True), ("2", True)}


def test_twins_born_around_midnight_need_an_equal_name_or_nickname():
    early = replace(TWIN, first_name="Jonathan")
    late = replace(TWIN, first_name="Jonathn", date_of_birth="2015-06-07")
    assert tier(late, early) is None


# ---- several candidates


def test_two_candidates_that_tie_are_never_guessed():
    outcome = place(person("Ann", "Lee", BORN), ANN, replace(ANN, phone=OTHER_PHONE))
    assert isinstance(outcome, NoMatch)
    assert (outcome.ambiguous, outcome.tier) == (True, "demographics")
    assert [(rival.id, rival.reason, rival.flag) for rival in outcome.rivals] == [
        ("1", "tie", True),
        ("2", "tie", True),
    ]


@pytest.mark.parametrize(
    "more", [{"phone": OTHER_PHONE}, {"email": OTHER_EMAIL}, {"middle_name": "Marie"}, {"external_ids": (("a", "2"),)}]
)
def test_a_tie_is_narrowed_by_the_other_evidence(more):
    first = person("Ann", "Lee", BORN, phone=PHONE, external_ids=(("a", "1"),))
    second = replace(first, **({"external_ids": ()} if "external_ids" in more else more))
    outcome = place(person("Ann", "Lee", BORN, **more), first, second)
    assert isinstance(outcome, Match)
    assert outcome.id == "2"
    assert [(rival.id, rival.reason, rival.flag) for rival in outcome.rivals] == [("1", "less_evidence", True)]


def test_evidence_for_both_is_a_tie():
    first = person("Ann", "Lee", BORN, phone=PHONE, email=OTHER_EMAIL)
    second = person("Ann", "Lee", BORN, phone=OTHER_PHONE, email=EMAIL)
    outcome = place(person("Ann", "Lee", BORN, phone=PHONE, email=EMAIL), first, second)
    assert isinstance(outcome, NoMatch)
    assert outcome.ambiguous


def test_a_name_between_two_candidates_is_a_tie():
    first, second = (person(name, "Robinson", phone=PHONE) for name in ("Jonathan", "Jonathon"))
    outcome = place(person("Jonathn", "Robinson", phone=PHONE), first, second)
    assert isinstance(outcome, NoMatch)
    assert (outcome.ambiguous, outcome.tier) == (True, "phone_fuzzy_name")
    assert tier(first, first, second) == "phone_fuzzy_name"


def test_a_tie_does_not_repeat_itself():
    tied = [replace(ANN, external_ids=(("mrn", number),)) for number in "12"]
    record = replace(ANN)
    outcome = place(record, *tied, record)
    assert isinstance(outcome, Match)
    assert outcome.id == "3"


def test_who_was_judged_distinct_is_not_flagged_again():
    first, second = known(ANN, replace(ANN, date_of_birth=None))
    judged = Candidate(first.id, first.identity, distinct_from=frozenset({second.id}))
    other_judged = Candidate(second.id, second.identity, distinct_from=frozenset({first.id}))
    for candidates, flag in (([first, second], True), ([judged, second], False), ([first, other_judged], False)):
        outcome = classify(ANN, candidates)
        assert isinstance(outcome, Match)
        assert [(rival.reason, rival.flag) for rival in outcome.rivals] == [("later_tier", flag)]


# ---- shared contacts


def strangers(number: int, phone: str = PHONE) -> list[Identity]:
    """Return people who have nothing in common but a phone."""
    firsts = ("Zoe", "Ravi", "Olga", "Mateo", "Fatima", "Henry", "Ingrid", "Tariq", "Wanda", "Yusuf", "Bruno", "Carla")
    lasts = ("Kim", "Patel", "Ivanova", "Gomez", "Haddad", "Brook", "Olsen", "Aziz", "Nowak", "Demir", "Rossi", "Weber")
    return [person(first, last, phone=phone) for first, last in zip(firsts[:number], lasts, strict=False)]


def test_a_phone_held_by_several_people_stops_carrying_a_match():
    record = person("Robert", "Lee", phone=PHONE)
    patient = person("Robert", "Lee", BORN, phone=PHONE)
    assert tier(record, patient, *strangers(3)) == "phone_fuzzy_name"
    outcome = place(record, patient, *strangers(4))
    assert isinstance(outcome, NoMatch)
    assert [(rival.id, rival.reason, rival.evidence["phone"]) for rival in outcome.rivals] == [
        ("1", "shared_contact", "shared")
    ]
    assert tier(replace(record, date_of_birth=BORN), patient, *strangers(4)) == "demographics"
    son = place(replace(record, date_of_birth=OTHER_BORN), patient, *strangers(4))
    assert isinstance(son, NoMatch)
    assert [rival.reason for rival in son.rivals] == ["date_of_birth"]


def test_an_email_held_by_several_people_stops_carrying_a_match():
    record = person("Robert", "Lee", email=EMAIL)
    patient = person("Robert", "Lee", BORN, email=EMAIL)
    others = [replace(each, phone=None, email=EMAIL) for each in strangers(4)]
    assert tier(record, patient, *others[:3]) == "email_fuzzy_name"
    assert tier(record, patient, *others) is None


def test_a_family_keeps_its_phone_longer_than_strangers():
    family = [person(name, "Lee", phone=PHONE) for name in ("Robert", "Susan", "Tom", "Olive", "Victor", "Zoe", "Ian")]
    assert tier(person("Bob", "Lee", phone=PHONE), *family) == "phone_fuzzy_name"
    assert tier(person("Bob", "Lee", phone=PHONE), *family, *strangers(3)) is None


def test_duplicates_of_one_person_do_not_make_a_contact_shared():
    ann = person("Ann", "Lee", phone=PHONE)
    others = [replace(ann, date_of_birth=BORN, external_ids=(("mrn", str(number)),)) for number in range(8)]
    outcome = place(replace(ann, gender="female"), *others)
    assert isinstance(outcome, NoMatch)
    assert {rival.reason for rival in outcome.rivals} == {"tie"}


def test_a_key_with_more_candidates_than_the_limit_is_a_shared_contact():
    candidates = known(person("Robert", "Lee", BORN, phone=PHONE))
    record = person("Robert", "Lee", phone=PHONE)
    assert isinstance(classify(record, candidates, Rules(), frozenset({MatchKey("phone", PHONE)})), NoMatch)


def test_a_date_and_name_with_more_patients_than_were_looked_up_do_not_match_alone():
    record, candidates = person("Ann", "Lee", BORN), known(ANN)
    keys = ("birth_name", "1980-03-21 ann"), ("birth_name", "1980-03-21 lee"), ("birth_initials", "1980-03-21 al")
    crowded = frozenset(MatchKey(*key) for key in keys)
    assert isinstance(classify(record, candidates, Rules(), crowded - {MatchKey(*keys[1])}), Match)
    outcome = classify(record, candidates, Rules(), crowded)
    assert isinstance(outcome, NoMatch)
    assert [rival.reason for rival in outcome.rivals] == ["shared_date"]
    assert isinstance(classify(replace(record, phone=PHONE), candidates, Rules(), crowded), Match)


def test_the_same_record_again_finds_its_patient_behind_a_shared_phone():
    record = person("Robert", "Lee", phone=PHONE)
    assert tier(record, record, *strangers(12)) == "phone_fuzzy_name"
    assert tier(replace(record, first_name="Bob"), record, *strangers(12)) is None


# ---- drift


def test_a_chain_of_fuzzy_matches_does_not_walk_away_from_the_first_name():
    walked = person("Jonathn", "Smith", phone=PHONE, created_first_name="Jonathan", created_last_name="Smith")
    assert tier(person("Jnathan", "Smith", phone=PHONE), walked) == "phone_fuzzy_name"
    assert refusal(person("Jonthn", "Smith", phone=PHONE), walked) == ("first_name", True)
    assert tier(person("Jonthn", "Smith", phone=PHONE), replace(walked, created_first_name=None)) is not None
    surname = person("Ann", "Johnsen", phone=PHONE, created_first_name="Ann", created_last_name="Thompson")
    assert tier(person("Ann", "Johnson", phone=PHONE), surname) is None


def test_a_patient_is_still_known_by_the_name_it_was_created_with():
    renamed = person("Bob", "Lee", BORN, created_first_name="Rupertus", created_last_name="Lee")
    assert tier(person("Rupertus", "Lee", BORN), renamed) == "demographics"


# ---- external id


HELD = replace(ANN, external_ids=(("mrn", "7"),))


def test_the_external_id_decides_before_everything_else():
    stranger = person("Zoe", "Kim", OTHER_BORN, external_ids=(("mrn", "7"),))
    outcome = place(stranger, HELD, person("Zoe", "Kam", OTHER_BORN))
    assert isinstance(outcome, Match)
    assert (outcome.id, outcome.tier) == ("1", "external_id")


def test_an_id_of_another_type_is_another_id():
    assert tier(Identity(external_ids=(("ssn", "7"),), phone=OTHER_PHONE), HELD) is None


def test_a_changed_surname_alone_is_no_overlay():
    outcome = place(replace(HELD, last_name="Cole"), HELD)
    assert isinstance(outcome, Match)
    assert outcome.overlay is None


@pytest.mark.parametrize(
    "change",
    [
        {"first_name": "Zoe"},
        {"first_name": "Zoe", "date_of_birth": None, "phone": None},
        {"first_name": "Anna", "date_of_birth": OTHER_BORN},
        {"first_name": "Anna", "last_name": "Kim", "date_of_birth": None},
    ],
)
def test_another_given_name_is_a_suspected_overlay(change):
    outcome = place(replace(HELD, **change), HELD)
    assert isinstance(outcome, Match)
    assert outcome.overlay is not None
    assert outcome.overlay.other_id is None


def test_senior_under_the_id_of_junior_is_a_suspected_overlay():
    outcome = place(replace(HELD, last_name="Lee Sr"), replace(HELD, last_name="Lee Jr"))
    assert isinstance(outcome, Match)
    assert outcome.overlay is not None


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"first_name": "Baby Girl"}, {"first_name": "Mia"}),
        ({"first_name": "Judy Girl A"}, {"first_name": "Mia"}),
        ({"first_name": "Mary", "middle_name": "Grace"}, {"first_name": "Grace"}),
        ({"first_name": "Grace"}, {"first_name": "Mary", "middle_name": "Grace"}),
        ({"first_name": "Ann"}, {"first_name": "Anna", "date_of_birth": None}),
        ({"first_name": "Juan Carlos"}, {"first_name": "Carlos"}),
        ({"first_name": "Sally"}, {"first_name": "Sarah", "date_of_birth": None}),
    ],
)
def test_a_name_that_one_person_may_have_too_is_no_overlay(held, said):
    outcome = place(replace(HELD, **said), replace(HELD, **held))
    assert isinstance(outcome, Match)
    assert outcome.overlay is None


@pytest.mark.parametrize("change", [{"last_name": "Kim"}, {"first_name": "Zoe"}, {"first_name": "Zoe Ann"}])
def test_another_name_and_another_birth_date_are_a_suspected_overlay(change):
    outcome = place(replace(HELD, date_of_birth=OTHER_BORN, **change), HELD)
    assert isinstance(outcome, Match)
    assert outcome.overlay is not None
    assert outcome.overlay.evidence["date_of_birth"] == "different"
    assert outcome.overlay.other_id is None


def test_a_typo_beside_another_birth_date_is_no_overlay():
    outcome = place(replace(HELD, date_of_birth=OTHER_BORN), HELD)
    assert isinstance(outcome, Match)
    assert outcome.overlay is None


def test_the_demographics_of_another_patient_are_a_suspected_overlay():
    other = person("Bob", "Ray", "1975-05-17")
    outcome = place(replace(other, external_ids=(("mrn", "7"),)), HELD, other)
    assert isinstance(outcome, Match)
    assert outcome.id == "1"
    assert outcome.overlay is not None
    assert outcome.overlay.other_id == "2"


def test_a_twin_under_the_id_of_the_other_is_a_suspected_overlay():
    ana, anna = (replace(TWIN, first_name=name, external_ids=(("mrn", name),)) for name in ("Ana", "Anna"))
    outcome = place(replace(anna, external_ids=ana.external_ids), ana, anna)
    assert isinstance(outcome, Match)
    assert outcome.id == "1"
    assert outcome.overlay is not None
    assert outcome.overlay.other_id == "2"


def test_two_holders_of_one_external_id_are_never_guessed():
    outcome = place(Identity(external_ids=(("mrn", "7"),)), HELD, HELD)
    assert isinstance(outcome, NoMatch)
    assert (outcome.ambiguous, outcome.tier) == (True, "external_id")
