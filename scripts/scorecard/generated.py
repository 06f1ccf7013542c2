"""Which people do public sets lack? Twins, families on one phone with their typos, strangers who share placeholders.

Public sets hold almost none of them, so that every careless matcher scores precision 1.0 there. All are made from a
seed: the same records on every machine.
"""

from collections.abc import Iterator
from functools import cache
from random import Random
from string import ascii_lowercase
from typing import Any

from domain.likeness import given_names
from scripts.scorecard.sets import Expected, Labelled, LabelledSet, shuffled

SURNAMES = (
    "Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez", "Hernandez",
    "Lopez", "Gonzalez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee", "Perez",
    "Thompson", "White", "Harris", "Sanchez", "Clark", "Ramirez", "Lewis", "Robinson", "Walker", "Young", "Allen",
    "King", "Wright", "Scott", "Torres", "Nguyen", "Hill", "Flores", "Green", "Adams", "Nelson", "Baker", "Hall",
    "Rivera", "Campbell", "Mitchell", "Carter", "Roberts", "Patel", "Kowalczyk", "Okafor", "Haddad", "O'Brien",
    "Garcia-Lopez", "Van den Berg", "Al-Masri", "Kim", "Chowdhury",
)  # fmt: skip
SYLLABLES = ("ka", "lo", "mi", "ren", "tu", "sha", "ve", "zor", "ni", "bel", "quo", "dra", "fi", "yan", "tek", "ula")

PLACEHOLDERS: tuple[dict[str, str], ...] = (
    {"phone_number": "9999999999"},
    {"phone_number": "000-000-0000"},
    {"phone_number": "(123) 456-7890"},
    {"additional_phone_number": "555-555-5555"},
    {"email": "none@none.com"},
    {"email": "noemail@example.com"},
    {"email": "unknown@unknown.com"},
    {"date_of_birth": "1900-01-01"},
    {"date_of_birth": "01/01/1901"},
    {"first_name": "Unknown", "last_name": "Unknown"},
    {"first_name": "Test", "last_name": "Patient", "date_of_birth": "2000-01-01"},
    {"first_name": "John", "last_name": "Doe", "date_of_birth": "1900-01-01"},
    {"first_name": "Baby Boy", "date_of_birth": "2024-05-17"},
    {"first_name": "Baby Girl", "date_of_birth": "2024-05-17"},
)
"""What forms and programs put where nothing is known."""


def twins(count: int = 10_000, seed: int = 1) -> LabelledSet:
    """Return pairs of twins: same surname, birthday, phone and email; given names as parents choose them.

    Of ten, seven are two names of the dictionary, two are names no dictionary has, one a pair an edit apart.
    """
    random = Random(seed)
    names, near = _names(), _one_edit_apart()
    records: list[Labelled] = []
    for number in range(count):
        roll = random.randrange(10)
        if roll < 7:
            first, second = random.sample(names, 2)
        elif roll < 9:
            first, second = _made_up(random), _made_up(random)
        else:
            first, second = random.choice(near)
        if first == second:
            second += "ra"
        shared = {
            "last_name": random.choice(SURNAMES),
            "date_of_birth": _birthday(random, 2005, 2024),
            "phone_number": _phone(number),
            "email": f"family{number}@example.com",
        }
        bodies = [{"first_name": name.title(), **shared} for name in (first, second)]
        records += [Labelled(f"{number} {body['first_name']}", body) for body in bodies]
    return LabelledSet(f"twins ({count} pairs)", records, Expected(most_wrong=10, most_unflagged=0), _neighbours(count))


def placeholders(count: int = 1_000, seed: int = 2) -> LabelledSet:
    """Return pairs of strangers who share a placeholder; of three pairs one shares the surname too, one the full name.

    Whatever is not shared is each one's own: birthday and phone, one of them left out now and then.
    """
    random = Random(seed)
    names = _names()
    records: list[Labelled] = []
    for number in range(count):
        placeholder = PLACEHOLDERS[number % len(PLACEHOLDERS)]
        alike = random.randrange(3)
        surname, first_name = random.choice(SURNAMES), random.choice(names).title()
        for half in (2 * number, 2 * number + 1):
            own = {
                "first_name": first_name if alike == 2 else random.choice(names).title(),
                "last_name": surname if alike else random.choice(SURNAMES),
                "date_of_birth": _birthday(random, 1930, 2020),
                "phone_number": _phone(half),
            }
            if random.random() < 0.3 and not {"phone_number", "date_of_birth"} & set(placeholder):
                del own[random.choice(("phone_number", "date_of_birth"))]
            records.append(Labelled(str(half), {**own, **placeholder}))
    return LabelledSet(f"placeholders ({count} pairs)", records, Expected(most_wrong=0), _neighbours(count))


def families(count: int = 1_000, seed: int = 3, *, without_birthday: float = 0.3) -> LabelledSet:
    """Return families on one phone and mailbox, every member three times, with typos and things left out."""
    people = shuffled(list(_family_records(count, Random(seed), without_birthday)), seed)
    return LabelledSet(f"families ({count})", people, Expected(precision=0.99))


def shuffles(count: int = 150, times: int = 20, seed: int = 4) -> LabelledSet:
    """Return one batch that is to be placed in this many orders."""
    people = list(_family_records(count, Random(seed), 0.2))
    return LabelledSet(f"{times} shuffles ({len(people)} records)", people, Expected(stable=0.999), shuffles=times)


def _family_records(count: int, random: Random, without_birthday: float) -> Iterator[Labelled]:
    names = _names()
    for number in range(count):
        surname = random.choice(SURNAMES)
        for member in range(random.randrange(1, 6)):
            person = {
                "first_name": random.choice(names).title(),
                "last_name": surname,
                "date_of_birth": _birthday(random, 1940, 2020),
                "gender": random.choice(("female", "male")),
            }
            contacts = {"phone_number": _phone(number), "email": f"family{number}@example.com"}
            for _ in range(3):
                yield Labelled(f"{number} {member}", _sent(random, person, contacts, without_birthday))


def _sent(random: Random, person: dict[str, str], contacts: dict[str, str], without_birthday: float) -> dict[str, Any]:
    """Return one of a person's records: a typo in one name of twenty, some fields left out."""
    sent: dict[str, Any] = dict(person)
    for name in ("first_name", "last_name"):
        if random.random() < 0.05:
            sent[name] = _mistyped(random, sent[name])
    if random.random() < without_birthday:
        del sent["date_of_birth"]
    if random.random() < 0.3:
        del sent["gender"]
    kept = {name: value for name, value in contacts.items() if random.random() < 0.8}
    return {**sent, **(kept or contacts)}


def _mistyped(random: Random, word: str) -> str:
    place, letter = random.randrange(len(word)), random.choice(ascii_lowercase)
    return random.choice(
        (
            word[:place] + letter + word[place + 1 :],
            word[:place] + word[place + 1 :],
            word[:place] + letter + word[place:],
            word[:place] + word[place + 1 : place + 2] + word[place : place + 1] + word[place + 2 :],
        )
    )


def _made_up(random: Random) -> str:
    return "".join(random.choice(SYLLABLES) for _ in range(random.randrange(2, 4)))


def _birthday(random: Random, first: int, last: int) -> str:
    return f"{random.randint(first, last)}-{random.randint(1, 12):02}-{random.randint(2, 28):02}"


def _phone(number: int) -> str:
    """Return a number that is nobody else's."""
    area, rest = divmod(number, 1_000_000)
    return f"+1{212 + area}{2_000_000 + rest:07}"


def _neighbours(count: int) -> list[tuple[int, int]]:
    return [(2 * number, 2 * number + 1) for number in range(count)]


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(name for name in given_names() if len(name) > 2))


@cache
def _one_edit_apart() -> tuple[tuple[str, str], ...]:
    """Return pairs of short names that differ in one letter: one lacks it, or has another in its place."""
    names = [name for name in _names() if len(name) <= 6]
    by_hole: dict[str, list[str]] = {}
    known = set(names)
    pairs = set()
    for name in names:
        for place in range(len(name)):
            shorter = name[:place] + name[place + 1 :]
            if shorter in known and shorter != name:
                pairs.add((shorter, name))
            by_hole.setdefault(f"{name[:place]}_{name[place + 1 :]}", []).append(name)
    for alike in by_hole.values():
        pairs.update((one, other) for one in alike for other in alike if one < other)
    return tuple(sorted(pairs))
