"""Which records does a benchmark send? Generated people: new ones, the same again, corrected and moved ones."""

import random
from typing import Any

FIRST = ("Ann", "Maria", "John", "Robert", "Li", "Olga", "Ahmed", "Grace", "Peter", "Sofia", "Noah", "Emma", "Mia")
LAST = ("Lee", "Garcia", "Smith", "Novak", "Okafor", "Haddad", "Kim", "Rossi", "Silva", "Meyer", "Sato", "Khan")
STREETS = ["Main", "Oak", "Elm", "Cedar", "Lake", "Hill", "Park", "River"]


def person(number: int) -> dict[str, Any]:
    """Return the body of one person, always the same for the same number."""
    pick = random.Random(number)
    first, last = pick.choice(FIRST), pick.choice(LAST)
    return {
        "external_id": {"value": f"MRN-{number}"},
        "first_name": first,
        "last_name": f"{last}-{pick.choice(LAST)}" if pick.random() < 0.1 else last,
        "date_of_birth": f"{pick.randint(1, 12):02d}/{pick.randint(1, 28):02d}/{pick.randint(1930, 2020)}",
        "gender": pick.choice(("female", "male")),
        "phone_number": f"({pick.randint(201, 989)}) {pick.randint(200, 999)}-{number % 10_000:04d}",
        "email": f"{first}.{last}.{number}@example.com",
        "address": f"{pick.randint(1, 999)} {pick.choice(STREETS)} St",
        "city": "Springfield",
        "state": "IL",
        "zip": f"{pick.randint(60000, 62999)}",
    }


def stream(count: int, *, first: int, seed: int) -> list[dict[str, Any]]:
    """Return `count` bodies of people numbered from `first`: 40 % new, 30 % moved, 15 % with a typo, 15 % unchanged."""
    pick = random.Random(seed)
    bodies: list[dict[str, Any]] = []
    known = 0
    for _ in range(count):
        kind = pick.random()
        if known == 0 or kind < 0.4:
            bodies.append(person(first + known))
            known += 1
            continue
        body = person(first + pick.randrange(known))
        if kind < 0.7:
            body["address"] = f"{pick.randint(1, 999)} {pick.choice(STREETS)} Ave"
        elif kind < 0.85:
            del body["external_id"]
            body["first_name"] = body["first_name"][:-1] if len(body["first_name"]) > 5 else body["first_name"]
        bodies.append(body)
    return bodies
