"""Ledgers with something in them: organizations, and random records sent through the real upsert."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from api.bootstrap import build_ledger, new_id
from domain.commands import AddReferenceItem, CreateOrganization, RecordCommunication
from domain.ledger import Ledger
from domain.receipt import Caller, Receipt, Upsert
from domain.record import read_record

FIRST_NAMES = ("Ann", "Robert", "Maria", "Li", "Kateryna", "José", "Tom", "Ngozi", "Zoë", "Peter")
LAST_NAMES = ("Garcia-Lopez", "Smith", "O'Neill", "Nguyen", "Kowalczyk", "Abadi", "Lindqvist", "Okafor")


@contextmanager
def opened(url: str) -> Iterator[Ledger]:
    """Yield the ledger on this database."""
    with build_ledger(url) as ledger:
        yield ledger


def an_organization(ledger: Ledger) -> Caller:
    """Create an organization with an external id type and two locations; return its caller."""
    caller = Caller(str(new_id()), "key:test", "req_setup")
    ledger.administer(CreateOrganization(name="Clinic"), caller)
    for kind, name in (("external-id-type", "MRN"), ("location", "North"), ("location", "South")):
        ledger.administer(AddReferenceItem(kind=kind, item_id=str(new_id()), name=name, details={}), caller)
    return caller


def a_record(random: Random, people: int, organization: Any) -> dict[str, Any]:
    """Return a record of one of `people`, with this or that changed."""
    who = random.randrange(people)
    record: dict[str, Any] = {
        "first_name": FIRST_NAMES[who % len(FIRST_NAMES)],
        "last_name": LAST_NAMES[who // len(FIRST_NAMES) % len(LAST_NAMES)],
        "date_of_birth": f"19{40 + who % 60}-{who % 12 + 1:02}-{who % 28 + 1:02}",
        "phone_number": f"212{2000000 + who:07}",
    }
    may_change = {
        "email": f"mail{random.randrange(3)}.{who}@example.org",
        "address": f"{random.randrange(1, 99)} Oak Street",
        "city": random.choice(("Albany", "Buffalo", "Utica")),
        "tags": random.sample(("vip", "new", "recall"), random.randrange(1, 3)),
        "custom_fields": {"shoe": random.randrange(36, 40)},
        "gender": random.choice(("male", "female", "martian")),
        "comments": random.choice(("calls back", "hard of hearing \\ \t\n", "zażółć 雪")),
        "location_id": random.choice([*organization.locations, "no-such-location"]),
        "external_id": {
            "type_id": next(iter(organization.external_id_types)),
            "value": f"{who}-{random.randrange(2)}",
        },
        "payors": [{"member_id": f"M{who}", "payor_responsibility": "primary"}],
    }
    chosen = random.sample(sorted(may_change), random.randrange(4))
    return {**record, **{name: may_change[name] for name in chosen}}


def upserts(ledger: Ledger, caller: Caller, count: int, *, seed: int, people: int = 40) -> list[Upsert]:
    """Return `count` random records of about `people` people, the same for the same seed."""
    random = Random(seed)
    organization = ledger.organization(caller.organization_id)
    made = []
    for number in range(count):
        record, received = read_record(a_record(random, people, organization))
        made.append(Upsert(record, Caller(caller.organization_id, caller.actor, f"req_{seed}_{number}"), received))
    return made


def live(ledger: Ledger, caller: Caller, count: int, *, seed: int, people: int = 40) -> list[Receipt]:
    """Place random records in lists, and tell of a communication now and then."""
    random = Random(seed)
    waiting = upserts(ledger, caller, count, seed=seed, people=people)
    receipts: list[Receipt] = []
    while waiting:
        size = random.randrange(1, 40)
        answered = ledger.upsert_many(waiting[:size])
        del waiting[:size]
        receipts += [each for each in answered if isinstance(each, Receipt)]
        if receipts and random.random() < 0.5:
            told = RecordCommunication(channel="sms", direction="outbound", occurred_at="2024-05-01T10:00:00.000000Z")
            ledger.change(random.choice(receipts).patient.id, told, caller)
    return receipts
