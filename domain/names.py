"""What are the parts of a person's name, once the spelling that does not tell people apart is taken away?

Names are compared by component, never as one joined text: joined, mother and daughter look alike.
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from domain.placeholders import is_newborn_name, is_placeholder_name, is_unknown_person


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ASCII_SPELLING = str.maketrans(
    dict.fromkeys("'`’‘‛´ʻʼʾʿ\u0640.", "")
    | {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h"}
    | {"ı": "i", "ŋ": "n", "ŧ": "t", "ə": "a", "ɓ": "b", "ɗ": "d", "ɖ": "d", "ɛ": "e", "ƙ": "k", "ɔ": "o", "ƴ": "y"}
)
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0655\u0670]")
"""Those of Latin, Greek and Cyrillic, the points of Hebrew, and of Arabic vowels, doubling and hamza."""
_ASIDES = re.compile(r'\([^)]*\)|\[[^\]]*\]|"[^"]*"|“[^”]*”')
_NOT_ASCII_WORD = re.compile("[^a-z0-9]+")

TITLES = _words("mr mrs ms mx miss dr prof rev fr sr sra srta capt sgt lt")
CREDENTIALS = _words("md phd dds dmd esq rn np lcsw")
PARTICLES = _words(
    """
    a abu al ap as at ben bin bint binti bt bte d da dal dalla das de degli dei del dela della den der des di do
    dos du e el ibn in la las le les li lo los mac mc o of op san st saint santa ten ter the van vanden vander vom
    von y zu zum zur
    """
)
GENERATIONS = {
    **dict.fromkeys(("sr", "snr", "senior", "1st"), "1"),
    **dict.fromkeys(("jr", "jnr", "junior", "ii", "2nd"), "2"),
    **dict.fromkeys(("iii", "3rd"), "3"),
    **dict.fromkeys(("iv", "4th"), "4"),
    **dict.fromkeys(("v", "5th"), "5"),
}
"""Suffixes by what they say. Jr and II both mean the second of that name, and stand for one another."""


class PersonName(NamedTuple):
    """A name in comparable parts. A part is empty when it was not given or is a placeholder."""

    given: str
    """All of the given name, without gaps: "maryann" for Mary Ann, Mary-Ann and Maryann."""
    given_words: tuple[str, ...]
    middle: str
    surname: str
    """All of the surname, without gaps: "garcialopez", "delacruz"."""
    surname_words: tuple[str, ...]
    """The parts of a compound surname without particles, or the particles where nothing else is left."""
    generation: str
    """"1" for Sr, "2" for Jr and II, "3" …; empty without a suffix."""
    given_is_placeholder: bool = False
    surname_is_placeholder: bool = False


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Return text in lower case, without accents and punctuation, words apart by single spaces.

    Letters that do not decompose (ł ø ß đ æ …) get their usual ASCII spelling. Marks go where they are often left out:
    the accents of Latin, Greek and Cyrillic, the points of Hebrew and Arabic. Elsewhere they are letters. Apostrophes
    and dots vanish (Obrien, MD), hyphens part words.
    Nothing is transliterated: a name in two scripts is two spellings that cannot be compared.
    """
    if text.isascii():
        return _NOT_ASCII_WORD.sub(" ", text.lower().translate(_ASCII_SPELLING)).strip()
    text = unicodedata.normalize("NFKD", text.translate(_ASCII_SPELLING)).casefold()
    text = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).translate(_ASCII_SPELLING)
    kept = "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in text)
    return unicodedata.normalize("NFC", " ".join(kept.split()))


@lru_cache(maxsize=65_536)
def parse_name(first: str | None, middle: str | None = None, last: str | None = None) -> PersonName:
    """Take a name as it was sent apart into comparable parts.

    Titles, credentials and what stands in brackets or quotes go. A suffix is recognised behind each of the three.
    A single letter behind the first name is the middle initial when no middle name is given; a newborn's says
    which of the twins it is, and belongs to the name.
    """
    given_words, given_suffix = _without_affixes(first)
    surname_words, surname_suffix = _without_affixes(last)
    middle_words = fold(middle or "").split()
    middle_suffix = GENERATIONS.get(middle_words[-1], "") if middle_words and middle_words[-1] != "v" else ""
    if middle_suffix:
        middle_words.pop()
    lone = len(given_words) == 2 and len(given_words[1]) == 1 < len(given_words[0])
    if lone and not middle_words and given_words[1].isalpha():
        middle_words = [given_words.pop()]
    if len(middle_words) == 1 == len(middle_words[0]) and is_newborn_name(" ".join(given_words)):
        given_words.append(middle_words.pop())
    given, middle_name, surname = map(" ".join, (given_words, middle_words, surname_words))
    unknown = is_unknown_person(given, surname)
    no_given = bool(given) and (unknown or is_placeholder_name(given))
    no_surname = bool(surname) and (unknown or is_placeholder_name(surname))
    parts = tuple(word for word in surname_words if word not in PARTICLES) or tuple(surname_words)
    return PersonName(
        given="" if no_given else given.replace(" ", ""),
        given_words=() if no_given else tuple(given_words),
        middle="" if middle_name and is_placeholder_name(middle_name) else middle_name.replace(" ", ""),
        surname="" if no_surname else surname.replace(" ", ""),
        surname_words=() if no_surname else parts,
        generation=surname_suffix or given_suffix or middle_suffix,
        given_is_placeholder=no_given,
        surname_is_placeholder=no_surname,
    )


def _without_affixes(text: str | None) -> tuple[list[str], str]:
    """Return (words without titles, credentials and suffix; the generation that the suffix says)."""
    if not text:
        return [], ""
    words = fold(_ASIDES.sub(" ", text)).split() or fold(text).split()
    generation = ""
    while len(words) > 1 and words[0] in TITLES:
        del words[0]
    while len(words) > 1 and (words[-1] in CREDENTIALS or words[-1] in GENERATIONS):
        generation = GENERATIONS.get(words.pop(), generation)
    return words, generation
