"""A clinic, its staff and partners, and a patient to whom everything happened that can happen to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.bootstrap import new_id
from api.keys import new_key
from api.panel.accounts import add_member
from domain.commands import AddReferenceItem, ChangeSetting, CreateOrganization, RecordCommunication
from domain.ledger import Ledger
from domain.receipt import Caller, Receipt, Upsert
from domain.record import read_record

PASSWORD = "correct horse battery"

Sent = tuple[str, str, dict[str, Any]]
"""(key id, source, body)."""


@dataclass(frozen=True)
class Story:
    """Ids of what was made; `partners` are API keys' ids by name, `items` reference data by name."""

    clinic: str
    partners: Mapping[str, str]
    items: Mapping[str, str]
    ann: str
    """Everything happened to her: 30 events and more."""
    twin: str
    """May be the same person as somebody else."""


def tell_story(ledger: Ledger, *, clinic_name: str = "Riverside Physical Therapy", logins: str = "") -> Story:
    """Make it all; `logins` is put behind each login, because they are unique in a database."""
    founder = Caller(str(new_id()), "operator:maria", "founding", source="manual")
    ledger.administer(CreateOrganization(name=clinic_name), founder)
    ledger.administer(ChangeSetting(setting="time_zone", new="America/New_York"), founder)
    clinic = founder.organization_id
    items: dict[str, str] = {}
    for kind, name, details in (
        ("external-id-type", "MRN", {}),
        ("external-id-type", "Acme id", {}),
        ("location", "Riverside", {}),
        ("location", "Harbor", {}),
        ("user", "Dana Reed", {"email": "dana@riverside.example.com"}),
        ("workflow-stage", "Intake", {"order": 1}),
        ("workflow-stage", "Scheduled", {"order": 2}),
        ("insurance", "Aetna", {}),
    ):
        items[name] = str(new_id())
        ledger.administer(AddReferenceItem(kind=kind, item_id=items[name], name=name, details=details), founder)
    partners = {}
    for name in ("Acme Pharmacy", "Northside Hospital", "Web form"):
        _, command = new_key(name)
        ledger.administer(command, founder)
        partners[name] = command.key_id
    for login, name, role in (
        ("dana", "Dana Reed", "clinician"),
        ("olivia", "Olivia Front", "front-desk"),
        ("axel", "Axel Auditor", "auditor"),
    ):
        add_member(ledger, clinic, login=login + logins, name=name, role=role, password=PASSWORD)
    ann = _what_happened_to_ann(ledger, clinic, partners, items)
    twin = send(ledger, clinic, partners["Web form"], "form", {"first_name": "Bo", "phone_number": "212-555-0177"})
    return Story(clinic, partners, items, ann, twin)


def _what_happened_to_ann(ledger: Ledger, clinic: str, partners: Mapping[str, str], items: Mapping[str, str]) -> str:
    acme, hospital, form = (partners[name] for name in ("Acme Pharmacy", "Northside Hospital", "Web form"))
    known = {"first_name": "Ann", "last_name": "Lopez", "date_of_birth": "1980-03-01"}
    ann = send(
        ledger,
        clinic,
        form,
        "form",
        {
            **known,
            "phone_number": "(212) 555-0142",
            "email": "ann.lopez@example.com",
            "address": "12 Main St",
            "city": "Springfield",
            "state": "NY",
            "zip": "10001",
            "workflow_stage_id": items["Intake"],
            "location_id": items["Riverside"],
            "tags": ["new"],
            "custom_fields": {"preferred_language": "es"},
        },
    )
    before: list[Sent] = [
        (
            acme,
            "api",
            {
                **known,
                "external_id": {"type_id": items["Acme id"], "value": "A-1001"},
                "middle_name": "Marie",
                "date_of_birth": "03/01/1980",
                "additional_phone_number": "212 555 0143 x12",
                "email": "none@none.com",
            },
        ),
        (
            hospital,
            "fax",
            {
                **known,
                "external_id": {"type_id": items["MRN"], "value": "00871"},
                "gender": "female",
                "payors": [
                    {
                        "insurance_id": items["Aetna"],
                        "payor_responsibility": "primary",
                        "insured_member_id": "XYZ123456789",
                        "plan_name": "Choice",
                        "coverage_from": "2026-01-01",
                    }
                ],
                "referral": {
                    "physician_name": "Dr. Maria Ruiz",
                    "physician_group": "Hudson Orthopedics",
                    "icd_codes": ["M54.50"],
                    "start_date": "2026-01-05",
                },
            },
        ),
        (acme, "api", {**known, "phone_number": "(212) 555-0150", "workflow_stage_id": items["Scheduled"]}),
    ]
    for key, source, record in before:
        send(ledger, clinic, key, source, record)
    ledger.change(
        ann,
        RecordCommunication(channel="sms", direction="outbound", occurred_at="2024-05-04T14:00:00.000000Z"),
        Caller(clinic, f"key:{form}", "req_first_text", source="sms"),
    )
    after: list[Sent] = [
        (acme, "api", {**known, "phone_number": "(212) 555-0199", "assigned_user_id": "nobody-we-know"}),
        (
            hospital,
            "file",
            {
                **known,
                "external_id": {"type_id": items["MRN"], "value": "00912"},
                "last_name": "Lopez",
                "address": "5 Oak Ave",
                "address2": "Apt 4",
                "tags": ["vip", "spanish"],
                "favourite_colour": "blue",
                "date_of_birth": "03/01/1980",
                "payors": [
                    {
                        "insurance_id": items["Aetna"],
                        "payor_responsibility": "primary",
                        "insured_member_id": "XYZ123456789",
                        "plan_name": "Choice Plus",
                    }
                ],
            },
        ),
        (form, "form", {**known, "assigned_user_id": items["Dana Reed"], "comments": "Prefers mornings <before 9>."}),
        (
            acme,
            "bulk_import",
            {
                "external_id": {"type_id": items["Acme id"], "value": "A-1001"},
                "last_name": "Garcia-Lopez",
                "email": "ann@garcia.example.com",
                "custom_fields": {"preferred_language": "en", "needs": {"parking": True, "interpreter": ["es", "pt"]}},
            },
        ),
    ]
    for key, source, record in after:
        send(ledger, clinic, key, source, record)
    return ann


def send(ledger: Ledger, clinic: str, key_id: str, source: str, body: dict[str, Any]) -> str:
    """Send a record; return the patient's id."""
    record, received = read_record({**body, "source": source})
    caller = Caller(clinic, f"key:{key_id}", f"req_{new_id().hex}", source=source)
    return ledger.upsert(Upsert(record, caller, received)).patient.id


def tell_long_story(ledger: Ledger, story: Story, events: int) -> str:
    """Give a patient of the clinic this many events at least; return its id."""
    partner = story.partners["Acme Pharmacy"]
    known = {"first_name": "Lena", "last_name": "Long", "date_of_birth": "1971-07-07", "phone_number": "212-555-0188"}
    patient = send(ledger, story.clinic, partner, "api", known)
    version = 1
    while version < events:
        upserts = []
        for turn in range(32):
            record, received = read_record(
                {
                    **known,
                    "email": f"lena{version}x{turn}@example.com",
                    "comments": f"Called again, note {version}.{turn}",
                    "workflow_stage_id": story.items[("Intake", "Scheduled")[turn % 2]],
                    "custom_fields": {"visits": version + turn},
                    "gender": "unknown" if turn % 2 else "female",
                    "date_of_birth": "1971-07-07",
                    "additional_phone_number": f"not a phone {turn}",
                }
            )
            caller = Caller(story.clinic, f"key:{partner}", f"req_{new_id().hex}")
            upserts.append(Upsert(record, caller, received))
        last = ledger.upsert_many(upserts)[-1]
        assert isinstance(last, Receipt)
        version = last.patient.version
    return patient
