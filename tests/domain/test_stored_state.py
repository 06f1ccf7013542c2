"""Two versions of the program side by side: what one of them stored, the other reads, changes and gives back."""

import pytest

from domain import organization, patient
from domain.entry import UPCASTERS, UnknownEvent, canonical, decode
from domain.events import EVENTS, AddressChanged, Event, OrganizationCreated, PatientCreated, SettingChanged
from domain.organization import Organization
from domain.patient import Patient
from domain.stored_state import restore
from tests.kit import ENVELOPE, reloaded

CREATED = PatientCreated(facts={"first_name": "Ann"})
MOVED = AddressChanged(old={"city": None}, new={"city": "Albany"})


def test_a_stored_state_is_the_state_again():
    before = patient.evolve(None, CREATED, ENVELOPE)
    again = reloaded(before)
    assert isinstance(again, Patient)
    assert canonical(again) == canonical(before)
    assert again.facts == before.facts


def test_what_an_older_version_stored_gets_the_defaults():
    old = restore(Patient, {"id": "p", "organization_id": "o", "created_at": "t", "updated_at": "t", "source": "api"})
    assert (old.version, old.facts, old.tags, old.merged_into) == (1, {}, (), None)
    assert patient.evolve(old, MOVED, ENVELOPE).facts == {"city": "Albany"}
    assert old.facts == {}


def test_what_a_newer_version_stored_is_carried_along():
    state = patient.evolve(None, CREATED, ENVELOPE)
    newer = Patient.from_json({**vars(state), "pronouns": ["they"]})
    after = patient.evolve(newer, MOVED, ENVELOPE)
    assert after.facts == {"first_name": "Ann", "city": "Albany"}
    assert b'"pronouns":["they"]' in canonical(after)


def test_what_a_newer_version_knows_of_an_organization_is_carried_along():
    state = organization.evolve(None, OrganizationCreated(name="Clinic"), ENVELOPE)
    newer = Organization.from_json({**vars(state), "motto": "first, do no harm"})
    after = organization.evolve(newer, SettingChanged(setting="region", old="US", new="CA"), ENVELOPE)
    assert after.region == "CA"
    assert b'"motto":"first, do no harm"' in canonical(after)


# ---- upcasters


@pytest.fixture
def renamed_twice(monkeypatch):
    """An event whose field was renamed in its second version and split in its third."""

    class Called(Event):
        schema_version = 3

        given: str
        family: str

    try:
        monkeypatch.setattr(
            "domain.entry.UPCASTERS",
            {
                **UPCASTERS,
                ("Called", 1): lambda old: {"full_name": old["name"]},
                ("Called", 2): lambda old: dict(zip(("given", "family"), old["full_name"].split(" ", 1), strict=True)),
            },
        )
        yield Called
    finally:
        del EVENTS["Called"]


def test_an_old_payload_is_lifted_through_every_version(renamed_twice):
    now = renamed_twice(given="Ann", family="Lee")
    assert decode("Called", 1, b'{"name":"Ann Lee"}') == now
    assert decode("Called", 2, b'{"full_name":"Ann Lee"}') == now
    assert decode("Called", 3, b'{"family":"Lee","given":"Ann"}') == now


def test_a_payload_of_a_newer_version_is_kept_raw(renamed_twice):
    assert renamed_twice.schema_version == 3
    assert decode("Called", 4, b'{"spoken":true}') == UnknownEvent(topic="Called", payload={"spoken": True})


def test_a_payload_that_does_not_fit_its_version_is_an_error(renamed_twice):
    assert renamed_twice.schema_version == 3
    for state in (b'{"given":"Ann"}', b'{"given":"Ann","family":"Lee","more":1}'):
        with pytest.raises(TypeError):
            decode("Called", 3, state)
