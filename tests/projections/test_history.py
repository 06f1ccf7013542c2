"""Does the History say what happened, in words that need no explanation?"""

from zoneinfo import ZoneInfo

import pytest

from domain import events
from domain.entry import Envelope, ErasedEvent, UnknownEvent
from domain.organization import ApiKey, Organization
from domain.organization import evolve as evolve_organization
from domain.patient import evolve as evolve_patient
from projections.history import KINDS, SENTENCES, Teller, tell
from projections.wording import Display, evidence

MRN, STAGE, INSURANCE = "type-mrn", "stage-2", "insurance-1"
LOCK = events.FirstCommunicationRecorded(channel="sms", direction="outbound", occurred_at="2024-05-04T14:00:00Z")
CLINIC = Organization(
    id="clinic",
    name="Riverside",
    created_at="2024-01-01T00:00:00Z",
    external_id_types={MRN: {"id": MRN, "name": "MRN"}},
    workflow_stages={STAGE: {"id": STAGE, "name": "Scheduled"}},
    insurances={INSURANCE: {"id": INSURANCE, "name": "Aetna"}},
    api_keys={
        "k1": ApiKey(
            id="k1", name="Acme", secret_hash="", last_four="x4Yz", scopes=(), issued_at="2024-01-01T00:00:00Z"
        )
    },
)
TELLER = Teller(CLINIC, sender="Acme", lock=LOCK)

PATIENT_EXAMPLES = [
    (
        events.PatientCreated(
            facts={
                "first_name": "Ann",
                "last_name": "Lopez",
                "date_of_birth": "1980-03-01",
                "phone_number": "+12125550142",
            }
        ),
        "New patient: Ann Lopez, born 1 Mar 1980, phone (212) 555-0142. Matched with nobody on file.",
    ),
    (
        events.PatientMatched(
            tier="demographics",
            rule_version="1",
            evidence={"first_name": "nickname", "phone": "different", "date_of_birth": "equal"},
            rivals=[{"patient_id": "p2", "tier": "demographics", "reason": "less_evidence", "evidence": {}}],
            record={"first_name": "Ann", "date_of_birth": "1980-03-01", "phone_number": "+12125550143"},
        ),
        (
            "Recognised by name and date of birth: first name is a short form; same date of birth; different phone. "
            "One other patient was considered: patient p2 (less evidence)."
        ),
    ),
    (
        events.PossibleDuplicateFlagged(other_id="p2", reason="tie", evidence={"phone": "equal"}),
        "Possible duplicate of patient p2: several fit equally well (same phone).",
    ),
    (
        events.OverlaySuspected(
            evidence={"last_name": "different"},
            held={"first_name": "Ann", "last_name": "Lopez"},
            offered={"first_name": "Ann", "last_name": "Weber"},
            other_id="p3",
        ),
        (
            "Possible mix-up: a record with this patient's external id describes somebody else (other last name); "
            "it fits patient p3."
        ),
    ),
    (events.DuplicateDismissed(other_id="p2"), "Not the same person as patient p2."),
    (events.OverlayDismissed(), "Looked at: one person, no mix-up."),
    (
        events.PatientMerged(
            other_id="p2",
            facts={"email": "ann@example.org", "address2": "Apt 2"},
            external_ids={MRN: "A-1"},
            tags=[],
            custom_fields={"email": "at work"},
            referrals=[],
            payors=[],
            first_communication_at=None,
            possible_duplicates={},
            distinct_from=[],
            known_as=[],
            changes={
                "address2": [None, "Apt 2"],
                f"external_id.{MRN}": [None, "A-1"],
                "custom_fields.email": [None, "at work"],
                "payors": [1, 3],
                "referrals": [0, 1],
            },
        ),
        (
            "Merged with patient p2: the same person. Taken over from there: address line 2, MRN, “email”, 2 "
            "insurances and 1 referral."
        ),
    ),
    (events.PatientMergedInto(survivor_id="p1"), "The same person as patient p1, and merged into it."),
    (
        events.PatientUnmerged(other_id="p2", changes={"email": ["ann@example.org", None], "payors": [2, 1]}),
        "Separated from patient p2 again: another person. Gone back: email and 1 insurance.",
    ),
    (events.PatientRestored(survivor_id="p1"), "Separated from patient p1 again: another person."),
    (events.FirstNameChanged(old="Ann", new="Anna"), "First name changed: Ann → Anna."),
    (events.MiddleNameChanged(old=None, new="Marie"), "Middle name set: Marie."),
    (events.LastNameChanged(old="Lopez", new="Garcia"), "Last name changed: Lopez → Garcia."),
    (
        events.DateOfBirthChanged(old="1980-03-01", new="1980-01-03"),
        "Date of birth changed: 1 Mar 1980 → 3 Jan 1980.",
    ),
    (events.GenderChanged(old=None, new="female"), "Gender set: female."),
    (events.PhoneExtensionChanged(old="12", new="13"), "Phone extension changed: 12 → 13."),
    (events.AdditionalPhoneChanged(old=None, new="+442079460958"), "Additional phone set: +44 20 7946 0958."),
    (events.EmailChanged(old="a@x.org", new="b@x.org"), "Email changed: a@x.org → b@x.org."),
    (events.CommentsChanged(old=None, new="Mornings."), "Comments set: Mornings."),
    (events.WorkflowStageChanged(old="gone", new=STAGE), "Workflow stage changed: gone → Scheduled."),
    (events.AssignedUserChanged(old=None, new="u1"), "Assigned user set: u1."),
    (events.LocationChanged(old=None, new="l1"), "Location set: l1."),
    (
        events.PhoneChanged(old="+12125550142", new="+12125550143", extension="7"),
        "Phone changed: (212) 555-0142 → (212) 555-0143 x7.",
    ),
    (
        events.PhoneLockRespected(kept="+12125550142", offered="+12125550143"),
        "Phone kept: Acme sent (212) 555-0143; (212) 555-0142 has been locked since the first text on 4 May 2024.",
    ),
    (
        events.AddressChanged(
            old={"address": "12 Main St", "city": None}, new={"address": "5 Oak Ave", "city": "Troy"}
        ),
        "Address changed: 12 Main St → 5 Oak Ave, Troy.",
    ),
    (events.TagsReplaced(old=["new", "vip"], new=["vip", "spanish"]), "Tags: added spanish; removed new."),
    (
        events.CustomFieldSet(name="preferred_language", old=None, new={"spoken": "es", "written": ["es", "en"]}),
        "“preferred_language” set: spoken: es; written: es, en.",
    ),
    (
        events.FieldDropped(field="payors.0.subscriber.dob", reason="impossible_date", offered="31/02/1980"),
        (
            "Insurance 1, subscriber, date of birth ignored: Acme sent “31/02/1980”. The calendar has no such day, or"
            " the day no such time."
        ),
    ),
    (events.ExternalIdAssigned(type_id=MRN, value="A-1001"), "MRN assigned: A-1001."),
    (events.ExternalIdReplaced(type_id=MRN, old="A-1001", new="A-2002"), "MRN replaced: A-1001 → A-2002."),
    (
        events.ReferralAdded(referral_id="r1", referral={"physician_name": "Dr. Ruiz", "physician_group": "Hudson"}),
        "Referral added: Dr. Ruiz, Hudson.",
    ),
    (
        events.PayorAdded(payor_id="p1", payor={"insurance_id": INSURANCE, "plan_name": "Choice"}),
        "Insurance added: Aetna, Choice.",
    ),
    (
        events.PayorChanged(
            payor_id="p1",
            old={"plan_name": "Choice", "insured_member_id": None},
            new={"plan_name": "Choice Plus", "insured_member_id": "X1"},
        ),
        "Insurance changed: plan name Choice → Choice Plus; member id X1.",
    ),
    (LOCK, "First text to the patient, on 4 May 2024. From now on partners cannot overwrite the phone."),
]
ORGANIZATION_EXAMPLES = [
    (events.OrganizationCreated(name="Riverside"), "Organization Riverside created."),
    (events.ExternalIdTypeAdded(item_id="i", name="MRN"), "External id type added: MRN."),
    (events.LocationAdded(item_id="i", name="Main Street"), "Location added: Main Street."),
    (events.UserAdded(item_id="i", name="Dana", details={"email": "d@x.org"}), "User added: Dana."),
    (events.WorkflowStageAdded(item_id="i", name="Intake"), "Workflow stage added: Intake."),
    (events.InsuranceAdded(item_id="i", name="Aetna"), "Insurance added: Aetna."),
    (events.SettingChanged(setting="region", old="US", new="CA"), "Setting region changed: US → CA."),
    (
        events.ApiKeyIssued(key_id="k9", name="Beta", secret_hash="", last_four="9zZz", scopes=["patients:read"]),
        "API key “Beta” issued, ending in 9zZz. It may: patients:read.",
    ),
    (
        events.ApiKeyRotated(key_id="k1", successor_id="k9", expires_at="2024-05-04T14:02:00Z"),
        "API key “Acme” has a successor and is refused from 4 May 2024, 14:02 on.",
    ),
    (events.ApiKeyRevoked(key_id="k1"), "API key “Acme” revoked."),
]
STAND_INS = [
    (ErasedEvent(topic="PhoneChanged"), "Content erased by order. This was “phone changed”."),
    (UnknownEvent(topic="PetAdopted", payload={}), "PetAdopted: written by a newer version of this program."),
]
EXAMPLES = PATIENT_EXAMPLES + ORGANIZATION_EXAMPLES + STAND_INS
TELLS_ONLY = {events.PatientMatched, events.OrganizationCreated}
"""These say how something came about and leave the rest of the state as it was."""

ENVELOPE = Envelope("clinic", "01890a5d-ac96-774b-bcce-b302099a8057", "2024-06-01T00:00:00.000000Z", "api")


def _name(value: object) -> str:
    return type(value).__name__ if isinstance(value, events.Event) else ""


@pytest.mark.parametrize(("event", "sentence"), EXAMPLES, ids=_name)
def test_an_event_is_told_in_one_plain_sentence(event, sentence):
    told = tell(event, TELLER)
    assert told.sentence == sentence
    assert told.kind in KINDS


@pytest.mark.parametrize(
    ("field", "offered"), [("phone_number", "Ann Lopez 212"), ("email", "Lopez, Ann"), ("phone_number", "123-45-6789")]
)
def test_what_was_offered_and_is_no_phone_or_email_is_masked_whole(field, offered):
    event = events.FieldDropped(field=field, reason="not_a_phone", offered=offered)
    assert "sent “•••”" in tell(event, TELLER).say(Display(masked=True))


@pytest.mark.parametrize(
    ("reason", "words"), [("suffix", "the suffix leaves a doubt"), ("reported", "somebody reported it")]
)
def test_why_two_patients_may_be_one_is_told_in_words(reason, words):
    event = events.PossibleDuplicateFlagged(other_id="p2", reason=reason, evidence={})
    assert tell(event, TELLER).sentence == f"Possible duplicate of patient p2: {words}."


def test_a_merge_that_took_nothing_over_does_not_say_that_there_was_nothing():
    merged = next(event for event, _ in PATIENT_EXAMPLES if isinstance(event, events.PatientMerged))
    event = events.PatientMerged(**{**vars(merged), "changes": {}})
    assert tell(event, TELLER).sentence == (
        "Merged with patient p2: the same person. Nothing was taken over from there."
    )


def test_a_field_that_nobody_knows_is_told_by_the_name_it_was_sent_under():
    told = tell(events.FieldDropped(field="dob", reason="unknown_field", offered=None), TELLER)
    assert told.sentence == "“dob” ignored. There is no field of this name."


def test_every_event_that_can_be_stored_has_a_sentence():
    assert set(SENTENCES) >= set(events.EVENTS.values())


@pytest.mark.parametrize(("event", "_sentence"), PATIENT_EXAMPLES, ids=_name)
def test_every_event_of_a_patient_has_a_meaning(event, _sentence):
    facts = {"first_name": "Ann", "last_name": "Lopez", "phone_number": "+12125550142", "workflow_stage_id": "gone"}
    state = evolve_patient(None, events.PatientCreated(facts=facts), ENVELOPE)
    state = evolve_patient(state, events.ExternalIdAssigned(type_id=MRN, value="A-0001"), ENVELOPE)
    state = evolve_patient(state, events.PayorAdded(payor_id="p1", payor={}), ENVELOPE)
    overlay = events.OverlaySuspected(evidence={}, held={}, offered={"last_name": "Roe"}, other_id=None)
    state = evolve_patient(state, overlay, ENVELOPE)
    first = isinstance(event, events.PatientCreated)
    after = evolve_patient(None if first else state, event, ENVELOPE)
    changed = {name for name in vars(after) if getattr(after, name) != getattr(state, name)}
    assert changed - {"version"} or type(event) in TELLS_ONLY


@pytest.mark.parametrize(("event", "_sentence"), ORGANIZATION_EXAMPLES, ids=_name)
def test_every_event_of_an_organization_has_a_meaning(event, _sentence):
    first = isinstance(event, events.OrganizationCreated)
    after = evolve_organization(None if first else CLINIC, event, ENVELOPE)
    changed = {name for name in vars(after) if getattr(after, name) != getattr(CLINIC, name)}
    assert changed - {"version"} or type(event) in TELLS_ONLY


@pytest.mark.parametrize(("event", "_sentence"), PATIENT_EXAMPLES, ids=_name)
def test_a_masked_sentence_gives_no_value_of_the_patient_away(event, _sentence):
    said = tell(event, TELLER).say(Display(masked=True))
    for secret in ("Lopez", "Garcia", "555-01", "7946", "1 Mar", "3 Jan", "x.org", "Main", "Oak", "spanish", "spoken",
                   "31/02", "A-1001", "A-2002", "Ruiz", "Choice", "Aetna", "Mornings", "female"):  # fmt: skip
        assert secret not in said


@pytest.mark.parametrize("sent", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_beyond_the_calendar_is_shown_as_it_was_sent(sent):
    shown = Display(ZoneInfo("America/New_York"))
    assert shown.value("custom_fields.since", sent) == shown.value("custom_fields.since_on", sent) == sent


def test_an_entry_that_changes_a_part_concerns_the_whole():
    told = tell(events.AddressChanged(old={"city": None}, new={"city": "Troy"}), TELLER)
    assert told.concerns("address")
    assert told.concerns("city")
    assert not told.concerns("zip")
    assert tell(events.ExternalIdAssigned(type_id=MRN, value="A-1"), TELLER).concerns("external_id", MRN)
    assert not tell(events.ExternalIdAssigned(type_id=MRN, value="A-1"), TELLER).concerns("external_id", "other")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("spelling", "first name in another spelling"),
        ("overlap", "first name with a part in common"),
        ("drifted", "first name near the present one, far from the first"),
        ("torn", "first name fits with the letter behind it"),
    ],
)
def test_how_two_names_relate_is_told_in_words(word, said):
    assert evidence({"first_name": word}) == said
