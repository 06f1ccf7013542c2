"""What may happen to an organization: its reference data, its settings, its keys?"""

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from domain import organization
from domain.commands import (
    AddReferenceItem,
    ChangeSetting,
    Command,
    CreateOrganization,
    CreatePatient,
    IssueApiKey,
    RevokeApiKey,
    RotateApiKey,
)
from domain.entry import Envelope, canonical
from domain.errors import IllegalCommand
from domain.events import (
    ApiKeyIssued,
    ApiKeyRevoked,
    ApiKeyRotated,
    Event,
    LocationAdded,
    OrganizationCreated,
    SettingChanged,
)
from domain.organization import KINDS, SETTINGS
from tests.domain import facts
from tests.domain.records import LOCATION
from tests.kit import ENVELOPE, given, reloaded

founded = OrganizationCreated(name="Hudson")
A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
EXPIRES = "2026-12-01T00:00:00+00:00"


def issue(key_id: str) -> IssueApiKey:
    return IssueApiKey(
        key_id=key_id, name="partner", secret_hash="00" * 32, last_four="wxyz", scopes=("patients:read",)
    )


def issued(key_id: str) -> ApiKeyIssued:
    return ApiKeyIssued(
        key_id=key_id, name="partner", secret_hash="00" * 32, last_four="wxyz", scopes=["patients:read"]
    )


# ---- the organization


def test_an_organization_is_created_once():
    state = given().when(CreateOrganization("Hudson")).then(founded).state
    assert (state.id, state.name, state.version, state.region) == (ENVELOPE.stream_id, "Hudson", 1, "US")
    given(founded).when_refused(CreateOrganization("Hudson"))


@pytest.mark.parametrize("command", [issue(A), ChangeSetting("region", "CA"), CreatePatient({})])
def test_nothing_is_asked_of_no_organization(command: Command):
    with pytest.raises(IllegalCommand):
        organization.decide(None, command)


def test_a_command_for_a_patient_does_not_fit():
    given(founded).when_refused(CreatePatient({}))


# ---- reference data


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_item_of_each_kind_is_added_once_and_keeps_its_details(kind: str):
    collection, event = KINDS[kind]
    stream = given(founded)
    details = {"order": 1}
    stream.when(AddReferenceItem(kind, LOCATION, "Main St", details)).then(event(LOCATION, "Main St", details))
    stream.when(AddReferenceItem(kind, LOCATION, "Main St")).then()
    held = {"id": LOCATION, "name": "Main St", "created_at": ENVELOPE.recorded_at, "order": 1}
    assert getattr(stream.state, collection) == {LOCATION: held}


def test_an_item_of_one_kind_is_none_of_another():
    state = given(founded, LocationAdded(LOCATION, "Main St")).state
    assert [len(getattr(state, collection)) for collection, _ in KINDS.values()].count(1) == 1


# ---- settings


@pytest.mark.parametrize(
    ("setting", "old", "new"),
    [("region", "US", "CA"), ("close_variants", "on", "off"), ("overlay", "overwrite", "hold")],
)
def test_a_setting_is_changed_with_old_and_new_told(setting: str, old: str, new: str):
    stream = given(founded)
    stream.when(ChangeSetting(setting, new)).then(SettingChanged(setting, old, new))
    stream.when(ChangeSetting(setting, new)).then()
    assert getattr(stream.state, setting) == new


@pytest.mark.parametrize(
    ("setting", "new"),
    [("close_variants", "maybe"), ("overlay", ""), ("name", "x"), ("api_keys", "x"), ("version", "9")],
)
def test_what_is_no_setting_or_no_value_of_it_is_refused(setting: str, new: str):
    given(founded).when_refused(ChangeSetting(setting, new))


def test_every_setting_has_a_default_that_it_may_have():
    state = given(founded).state
    assert all(not choices or getattr(state, setting) in choices for setting, choices in SETTINGS.items())


# ---- keys


def test_a_key_is_issued_once_and_its_secret_is_not_known():
    stream = given(founded)
    stream.when(issue(A)).then(issued(A))
    stream.when_refused(issue(A))
    key = stream.state.api_keys[A]
    assert (key.issued_at, key.expires_at, key.revoked_at) == (ENVELOPE.recorded_at, None, None)
    assert key.scopes == ("patients:read",)


def test_a_rotated_key_lives_on_beside_its_successor_until_it_expires():
    stream = given(founded, issued(A))
    stream.when(RotateApiKey(A, issue(B), EXPIRES)).then(issued(B), ApiKeyRotated(A, B, EXPIRES))
    assert (stream.state.api_keys[A].expires_at, stream.state.api_keys[B].expires_at) == (EXPIRES, None)
    assert stream.state.version == 4


def test_a_key_is_revoked_once():
    stream = given(founded, issued(A))
    stream.when(RevokeApiKey(A)).then(ApiKeyRevoked(A))
    stream.when(RevokeApiKey(A)).then()
    assert stream.state.api_keys[A].revoked_at == ENVELOPE.recorded_at


@pytest.mark.parametrize(
    "command",
    [RevokeApiKey(B), RotateApiKey(B, issue(A), EXPIRES), RotateApiKey(A, issue(A), EXPIRES)],
    ids=["revoke one that is not there", "rotate one that is not there", "succeed oneself"],
)
def test_a_key_that_is_not_there_cannot_be_revoked_or_rotated_nor_one_succeed_itself(command: Command):
    given(founded, issued(A)).when_refused(command)


def test_a_revoked_key_has_no_successor():
    given(founded, issued(A), ApiKeyRevoked(A)).when_refused(RotateApiKey(A, issue(B), EXPIRES))


# ---- purity


commands = st.one_of(
    st.builds(
        AddReferenceItem,
        kind=st.sampled_from(sorted(KINDS)),
        item_id=st.sampled_from("ab"),
        name=facts.texts,
        details=st.dictionaries(st.sampled_from("xy"), facts.json_values, max_size=2),
    ),
    st.sampled_from([ChangeSetting("region", "CA"), ChangeSetting("region", "US"), ChangeSetting("overlay", "hold")]),
    st.sampled_from([issue(A), issue(B), RevokeApiKey(A), RevokeApiKey(B), RotateApiKey(A, issue(B), EXPIRES)]),
)


@drawn(st.lists(commands, max_size=10))
def test_a_state_in_memory_and_one_that_was_stored_decide_and_fold_the_same(asked: list[Command]):
    entries: list[tuple[Event, Envelope]] = [(founded, ENVELOPE)]
    memory = organization.evolve(None, founded, ENVELOPE)
    for command in asked:
        try:
            told = organization.decide(memory, command)
        except IllegalCommand:
            with pytest.raises(IllegalCommand):
                organization.decide(reloaded(memory), command)
            continue
        assert canonical(organization.decide(reloaded(memory), command)) == canonical(told)
        before = canonical(memory)
        for event in told:
            stored = organization.evolve(reloaded(memory), event, ENVELOPE)
            grown = organization.evolve(memory, event, ENVELOPE)
            assert canonical(stored) == canonical(grown)
            assert canonical(memory) == before
            memory, before = grown, canonical(grown)
            entries.append((event, ENVELOPE))
    assert organization.fold(entries) == memory
    assert memory.version == len(entries)
    assert organization.fold([]) is None
