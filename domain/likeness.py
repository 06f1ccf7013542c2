"""How alike are two names of one kind? Given names and surnames err in different ways, so each has its own words.

Distances between letters cannot compare given names: Robert and Roberta are one edit apart and two people, Bob and
Robert have one letter in common and are often one. What can is knowing the names: a dictionary, and the pairs of
the package `nicknames`, which is noisy and therefore believed only where one side is a short form.
"""

from functools import cache, lru_cache
from importlib.resources import files

from rapidfuzz.distance import OSA, JaroWinkler

from domain.names import PARTICLES, PersonName
from domain.placeholders import is_newborn_name

JARO_WINKLER = 0.88
"""The usual threshold for surnames. Given names are compared by it only to tell a reviewer."""

SLIPS = frozenset({"typo", "misspelt", "ending"})
_SOUNDS = ("bfpv", "cgjkqsxz", "dt", "iy", "mn")
"""First letters that are heard or written for one another."""


@cache
def given_names() -> frozenset[str]:
    """Return the dictionary of given names, folded."""
    return frozenset(_lines("given_names.txt"))


@cache
def _package_pairs() -> frozenset[tuple[str, str]]:
    from nicknames import NickNamer  # it reads its table on import

    return frozenset((full, nick) for full, nicks in NickNamer().nickname_lookup.items() for nick in nicks)


@cache
def _nickname_pairs() -> frozenset[tuple[str, str]]:
    sections: dict[str, list[str]] = {}
    for line in _lines("short_forms.txt"):
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        else:
            section.append(line)
    short = frozenset(word for line in sections["short"] for word in line.split())
    two_people = {frozenset(line.split()) for line in sections["not"]}
    pairs = {
        (full, nick)
        for full, nick in _package_pairs()
        if (full in short or nick in short) and frozenset((full, nick)) not in two_people
    }
    for line in sections["also"]:
        nick, *fulls = line.split()
        pairs.update((full, nick) for full in fulls)
    return frozenset(pairs | {(nick, full) for full, nick in pairs})


def _lines(name: str) -> list[str]:
    text = files("domain").joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def is_nickname(one: str, other: str) -> bool:
    """Tell whether two folded given names are a name and its short form: Robert and Bob, not Ann and Anna."""
    return (one, other) in _nickname_pairs()


@lru_cache(maxsize=65_536)
def compare_given(one: PersonName, other: PersonName) -> str:
    """Name how two given names relate; empty when one of them is missing.

    - equal: the same after folding.
    - nickname: a name and its short form. spelling: such a pair only one edit apart (Cathy, Kathy; Zach, Zack).
    - initial: one is the first letter of the other. A lone character of a script without capitals is a whole name.
    - part: one is the first word of the other, which has more (Mary, Mary Ann),
      or a blank parted its end from it (Assump a).
    - torn: a blank may have done so, but a name stands before it that the vowel behind it would make another sex's
      (Robert A, Roberta).
    - typo, ending, misspelt: slips of the hand or the ear, see `_slip`.
    - alike: none of these, but a person should look (Ann, Anna; Patrick, Patricia).
    - overlap: two names that share a word (Juan Carlos, Carlos; Anna Maria, Maria Anna): of one person, or of sisters.
    - different.
    """
    a, b = one.given, other.given
    if not a or not b:
        return ""
    if a == b:
        return "equal"
    if is_nickname(a, b):
        return "spelling" if _edits(a, b) == 1 else "nickname"
    short, long = sorted((a, b), key=len)
    if len(short) == 1 and short.islower():
        return "initial" if long.startswith(short) else "different"
    if _is_first_word(one, other) or _is_first_word(other, one):
        return "part"
    slip = "" if _are_newborns(one, other) or _are_numbered(one, other) else _slip(a, b)
    if slip not in SLIPS:
        for torn, whole in ((one, b), (other, a)):
            if _is_parted(torn, whole):
                is_own_name = torn.given in given_names() and _last_vowel_differs(torn.given, whole)
                return "torn" if is_own_name else "part"
    if slip:
        return slip
    if long.startswith(short) or JaroWinkler.similarity(a, b) >= JARO_WINKLER:
        return "alike"
    common = {*one.given_words} & {*other.given_words} - PARTICLES
    return "overlap" if any(len(word) > 1 for word in common) else "different"


def may_be_renamed(one: PersonName, other: PersonName) -> bool:
    """Tell whether one person may have both given names, near or not.

    One is a newborn's, after its mother, or the other's middle name, or what the package takes for a short form of the
    other: too often to recognise anybody by it, but it says that some are called so (Sally, Sarah).
    """
    return any(
        is_newborn_name(" ".join(a.given_words))
        or (len(a.given) > 1 and a.given == b.middle)
        or (a.given, b.given) in _package_pairs()
        for a, b in ((one, other), (other, one))
    )


def _are_newborns(one: PersonName, other: PersonName) -> bool:
    """Tell whether both are named after their mothers: what differs is which of the twins it is, and no slip."""
    return all(is_newborn_name(" ".join(each.given_words)) for each in (one, other))


def _are_numbered(one: PersonName, other: PersonName) -> bool:
    """Tell whether the names have other numbers or other lone letters in them (Son of Judy 1, Son of Judy 2)."""
    ours, theirs = (
        [*(word for word in each.given_words if len(word) == 1), *filter(str.isdigit, each.given)]
        for each in (one, other)
    )
    return bool(ours and theirs) and ours != theirs


def _is_first_word(one: PersonName, other: PersonName) -> bool:
    return len(one.given_words) == 1 and len(other.given_words) > 1 and one.given == other.given_words[0]


def _is_parted(one: PersonName, other: str) -> bool:
    """Tell whether a blank was struck within a name, so that its end looks like an initial (Assump a)."""
    whole = one.given + one.middle
    return len(one.middle) == 1 and (whole == other or _slip(whole, other) in SLIPS)


def _edits(a: str, b: str) -> int:
    """Return how many letters were put in, left out, changed or swapped with their neighbour; 3 for more than two."""
    return OSA.distance(a, b, score_cutoff=2)


def _slip(a: str, b: str) -> str:
    """Name the slip that turns one given name into the other; "alike" where it may be none, empty when too far.

    A slip makes a non-word, so two names of the dictionary are never one (Ana, Anna; Eric, Erica; Jayden, Kayden).
    - typo: one edit, and the dictionary knows one of them.
    - ending: only a last vowel differs, which carries the sex in many languages (Karim, Karima): it is a slip
      where both are known to be of one sex.
    - misspelt: the dictionary knows neither; one edit, and the first letter sounds the same: rhymes are what twins are
      called (Jalon, Talon). Five letters at least: short names that we do not know (Minh, Linh; Jing, Ming) are as
      near to each other as a slip. Two edits make another name (Xiaoming, Xiaohong), alike in eight letters and more.

    The dictionary is of Latin letters: in other scripts every name would be a non-word, so none is taken for a slip
    (Александр, Александра).
    """
    edits, length = _edits(a, b), min(len(a), len(b))
    if edits > 2 or (edits == 2 and length < 8):
        return ""
    known = (a in given_names()) + (b in given_names())
    if edits == 2 or known == 2 or length < 3 or not (a.isascii() and b.isascii()):
        return "alike"
    if _last_vowel_differs(a, b):
        return "ending"
    if known == 1:
        return "typo"
    same_sound = a[0] == b[0] or any(a[0] in group and b[0] in group for group in _SOUNDS)
    return "misspelt" if length >= 5 and same_sound else "alike"


def _last_vowel_differs(a: str, b: str) -> bool:
    stems = {a, b} if len(a) != len(b) else {a[:-1], b[:-1]}
    shorter = min(stems, key=len)
    return all(name == shorter or (name[:-1] == shorter and name[-1] in "aeiouy") for name in (a, b))


@lru_cache(maxsize=65_536)
def compare_surname(one: PersonName, other: PersonName) -> str:
    """Name how two surnames relate; empty when one of them is missing.

    - equal: the same after folding, gaps and hyphens apart.
    - part: one is a part of the other (López, García-López), or they differ in particles only.
    - overlap: two compounds that share a part and differ in another (García-López, García-Moreno): cousins.
    - typo: one edit apart, five letters at least: of shorter surnames, one edit makes another (Lee, Lew).
    - similar: Jaro–Winkler ≥ .88.
    - different.
    """
    a, b = one.surname, other.surname
    if not a or not b:
        return ""
    if a == b:
        return "equal"
    if one.surname_words == other.surname_words or _is_part(one.surname_words, other.surname_words):
        return "part"
    shorter = min(len(a), len(b))
    if shorter >= 5 and _edits(a, b) == 1:
        return "typo"
    if set(one.surname_words) & set(other.surname_words):
        return "overlap"
    return "similar" if shorter >= 3 and JaroWinkler.similarity(a, b) >= JARO_WINKLER else "different"


def _is_part(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    fewer, more = sorted((set(one), set(other)), key=len)
    return fewer < more and any(len(word) > 2 or not word.isascii() for word in fewer)


def compare_middle(one: PersonName, other: PersonName) -> str:
    """Name how two middle names relate: equal, initial, alike or different; empty when one of them is missing.

    A middle name that is the other's surname is a maiden name that was kept: it says nothing against.
    """
    a, b = one.middle, other.middle
    if not a or not b or a in other.surname_words or b in one.surname_words:
        return ""
    if a == b:
        return "equal"
    if len(a) == 1 or len(b) == 1:
        return "initial" if a[0] == b[0] else "different"
    related = a.startswith(b) or b.startswith(a) or is_nickname(a, b) or _edits(a, b) == 1
    return "alike" if related else "different"


def are_swapped(one: PersonName, other: PersonName) -> bool:
    """Tell whether given name and surname changed places: both the same, or one of them with one edit in it."""
    if not (one.given and one.surname and other.given and other.surname):
        return False
    edits = sorted((_edits(one.given, other.surname), _edits(one.surname, other.given)))
    longest = max(len(one.given), len(one.surname))
    return edits == [0, 0] or (edits == [0, 1] and longest >= 5)
