"""Names are taken apart so that spelling does not tell people apart, and nothing else is lost."""

import pytest

from domain.names import fold, parse_name


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("JOSÉ", "jose"),
        ("Łukasz Ørsted", "lukasz orsted"),
        ("Strauß", "strauss"),
        ("İşıl", "isil"),
        ("Đặng", "dang"),
        ("O’Brien", "obrien"),
        ("O'Brien", "obrien"),
        ("García-López", "garcia lopez"),
        ("  ANN   Marie ", "ann marie"),
        ("Ｌｅｅ", "lee"),
        ("Иван", "иван"),
        ("Ɗanladi", "danladi"),
        ("KƆFI", "kofi"),
        ("ʿAlī", "ali"),
        ("محمّد", "محمد"),
        ("أحمد", "احمد"),
        ("عبد الرحمٰن", "عبد الرحمن"),
        ("מֹשֶׁה", "משה"),
        ("王小明", "王小明"),
        ("アニタ", "アニタ"),
        ("अनिता", "अनिता"),
        ("???", ""),
    ],
)
def test_folding_takes_away_case_accents_and_punctuation_only(text, folded):
    assert fold(text) == folded


def test_a_compound_is_one_name_however_it_is_written():
    spellings = ["Garcia-Lopez", "Garcia Lopez", "GarciaLopez", "GARCÍA–LÓPEZ"]
    assert {parse_name(None, None, each).surname for each in spellings} == {"garcialopez"}


def test_particles_are_no_parts_of_a_compound():
    assert parse_name(None, None, "de la Cruz").surname_words == ("cruz",)
    assert parse_name(None, None, "van der Berg").surname_words == ("berg",)
    assert parse_name(None, None, "Le").surname_words == ("le",)


@pytest.mark.parametrize(
    ("first", "middle", "last", "generation"),
    [
        ("John", None, "Smith Jr.", "2"),
        ("John", None, "Smith, II", "2"),
        ("John Sr", None, "Smith", "1"),
        ("John", "III", "Smith", "3"),
        ("John", "Q Jr", "Smith", "2"),
        ("John", None, "Smith 4th, M.D.", "4"),
        ("John", "V", "Smith", ""),
        ("Junior", None, "Smith", ""),
    ],
)
def test_a_suffix_is_found_behind_any_of_the_three_names(first, middle, last, generation):
    assert parse_name(first, middle, last).generation == generation
    assert parse_name(first, middle, last).surname == "smith"


def test_titles_and_asides_are_no_part_of_the_name():
    assert parse_name("Mrs. Ann (Annie)", None, "Lee").given == "ann"
    assert parse_name('Robert "Bob"', None, "Lee").given == "robert"
    assert parse_name("Dr", None, "Lee").given == "dr"


def test_a_letter_behind_the_first_name_is_the_middle_initial():
    assert parse_name("Ann M.", None, "Lee")[:3] == ("ann", ("ann",), "m")
    assert parse_name("Ann M.", "Marie", "Lee").middle == "marie"


def test_a_placeholder_leaves_its_part_empty_and_says_so():
    newborn = parse_name("Baby Boy", None, "Lee")
    assert (newborn.given, newborn.given_is_placeholder, newborn.surname) == ("", True, "lee")
    unknown = parse_name("John", None, "Doe")
    assert unknown.given_is_placeholder
    assert unknown.surname_is_placeholder
    assert parse_name("Jessica", None, "Doe").surname == "doe"
