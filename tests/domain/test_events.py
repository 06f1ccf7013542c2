"""Are stored events the same bytes for ever, and does each one have its meaning?"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import organization, patient
from domain.entry import UPCASTERS, CanonicalJSON, ErasedEvent, UnknownEvent, canonical, decode
from domain.events import (
    EVENTS,
    FACT_EVENTS,
    ApiKeyIssued,
    ApiKeyRevoked,
    ApiKeyRotated,
    Event,
    ExternalIdAssigned,
    ExternalIdReplaced,
    FactChanged,
    OrganizationCreated,
    PatientCreated,
    PayorAdded,
    PayorChanged,
    ReferenceItemAdded,
    SettingChanged,
)
from domain.golden_record import ADDRESS_PARTS
from domain.normalise import FACTS
from tests.domain import facts
from tests.kit import ENVELOPE, reloaded

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "events.json").read_text("utf-8"))
"""What was ever stored, of every event and schema version. Lines are added, never changed: see `UPCASTERS`."""

OF_ORGANIZATION = {
    name
    for name, cls in EVENTS.items()
    if issubclass(cls, ReferenceItemAdded) or name.startswith(("Organization", "Setting", "ApiKey"))
}


@pytest.mark.parametrize("line", GOLDEN, ids=lambda line: f"{line['topic']}-{line['schema_version']}")
def test_what_was_stored_is_read_for_ever_and_written_the_same(line):
    event = decode(line["topic"], line["schema_version"], line["state"].encode())
    assert type(event).__name__ == line["topic"]
    if line["schema_version"] == event.schema_version:
        assert canonical(event).decode() == line["state"]


def test_every_event_and_schema_version_has_one_golden_line():
    lines = Counter((line["topic"], line["schema_version"]) for line in GOLDEN)
    assert set(lines) == {(name, n) for name, cls in EVENTS.items() for n in range(1, cls.schema_version + 1)}
    assert max(lines.values()) == 1


def test_every_old_schema_version_has_an_upcaster():
    assert set(UPCASTERS) == {(name, n) for name, cls in EVENTS.items() for n in range(1, cls.schema_version)}


@settings(max_examples=300)
@given(facts.events)
def test_decoding_what_was_encoded_gives_the_event_again(event):
    state = canonical(event)
    again = decode(type(event).__name__, event.schema_version, state)
    assert again == event
    assert canonical(again) == state  # True == 1, but not in JSON


@given(facts.json_values)
def test_the_transcoder_gives_json_values_again(value):
    transcoder = CanonicalJSON()
    assert transcoder.encode(transcoder.decode(transcoder.encode(value))) == transcoder.encode(value)


def _keys_are_sorted(pairs):
    assert [name for name, _ in pairs] == sorted(name for name, _ in pairs)
    return dict(pairs)


@given(facts.events)
def test_stored_bytes_are_canonical_json(event):
    text = canonical(event).decode("utf-8")
    value = json.loads(text, object_pairs_hook=_keys_are_sorted)
    assert "\n" not in text
    assert len(text) <= len(json.dumps(value, separators=(",", ":"), ensure_ascii=True))


@given(facts.events, st.randoms())
def test_stored_bytes_do_not_depend_on_the_order_of_members(event, random):
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            names = list(value)
            random.shuffle(names)
            return {name: shuffled(value[name]) for name in names}
        return [shuffled(each) for each in value] if isinstance(value, list) else value

    assert canonical(type(event)(**shuffled(vars(event)))) == canonical(event)


def test_an_event_of_a_newer_program_is_kept_raw():
    newer = decode("FirstNameChanged", 2, b'{"spoken":true}')
    assert newer == UnknownEvent(topic="FirstNameChanged", payload={"spoken": True})
    assert decode("Unheard", 1, b"[1]") == UnknownEvent(topic="Unheard", payload=[1])


def test_an_erased_event_keeps_its_topic():
    assert decode("FirstNameChanged", 1, b"") == ErasedEvent(topic="FirstNameChanged")


def test_stand_ins_and_families_are_never_stored():
    assert not {"UnknownEvent", "ErasedEvent", "Event", "FactChanged", "ReferenceItemAdded"} & set(EVENTS)


def test_every_scalar_fact_of_a_record_has_the_event_of_its_change():
    told_otherwise = {"phone_number", *ADDRESS_PARTS}
    assert set(FACT_EVENTS) - {"phone_extension"} == set(FACTS) - told_otherwise


CREATED = PatientCreated(facts={"first_name": "Ann", "last_name": "Lee"})
FOUNDED = OrganizationCreated(name="Hudson")


def _key(key_id: str) -> ApiKeyIssued:
    return ApiKeyIssued(key_id=key_id, name="partner", secret_hash="00", last_four="wxyz", scopes=["patients:read"])


def _before(event: Event) -> list[Event]:
    """Return what must have happened before the event can."""
    match event:
        case PatientCreated() | OrganizationCreated():
            return []
        case ExternalIdReplaced(type_id=type_id, old=old):
            return [CREATED, ExternalIdAssigned(type_id=type_id, value=old)]
        case PayorChanged(payor_id=payor_id, old=payor):
            return [CREATED, PayorAdded(payor_id=payor_id, payor=payor)]
        case ApiKeyRotated(key_id=key_id) | ApiKeyRevoked(key_id=key_id):
            return [FOUNDED, _key(key_id)]
    return [FOUNDED if type(event).__name__ in OF_ORGANIZATION else CREATED]


@settings(max_examples=300)
@given(facts.events)
def test_every_event_has_a_meaning_that_survives_being_stored(event):
    """No event is refused by `evolve`, none changes what it was given, and the state comes back as it was stored."""
    evolve: Any = organization.evolve if type(event).__name__ in OF_ORGANIZATION else patient.evolve
    if isinstance(event, SettingChanged):
        event = SettingChanged(setting="region", old="US", new=event.new)
    before: Any = None
    for earlier in _before(event):
        before = evolve(before, earlier, ENVELOPE)
    kept = canonical([before, event])

    after = evolve(before, event, ENVELOPE)

    assert canonical([before, event]) == kept
    assert after.version == (1 if before is None else before.version + 1)
    assert canonical(reloaded(after)) == canonical(after)
    if before is not None:
        assert canonical(evolve(reloaded(before), event, ENVELOPE)) == canonical(after)


def test_a_fold_goes_on_over_what_a_newer_program_told():
    before = patient.evolve(None, CREATED, ENVELOPE)
    after = patient.evolve(before, UnknownEvent(topic="Unheard", payload={}), ENVELOPE)
    assert after.facts == before.facts
    assert after.version == 2


def test_a_fold_goes_on_over_what_was_erased():
    begun = patient.evolve(None, ErasedEvent(topic="PatientCreated"), ENVELOPE)
    after = patient.evolve(begun, ErasedEvent(topic="EmailChanged"), ENVELOPE)
    assert (after.id, after.version, after.facts) == (ENVELOPE.stream_id, 2, {})


def test_no_family_of_facts_is_without_members():
    assert all(cls.field_name for cls in FactChanged.__subclasses__())
    assert orjson.loads(canonical(CREATED)) == {"facts": {"first_name": "Ann", "last_name": "Lee"}}
