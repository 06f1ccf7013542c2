"""The hashes of entries stay what the published vectors say, and every column counts."""

import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.hashing import (
    BEFORE_FIRST,
    chain_hash,
    leaf_hash,
    leaf_prefix,
    microseconds,
    state_hash,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "hash_vectors.json"
VECTORS = json.loads(GOLDEN.read_text())["vectors"]
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])


def arguments(vector: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `leaf_prefix` that a vector describes."""
    entry = vector["entry"]
    same = ("originator_version", "topic", "schema_version", "request_id", "actor", "source")
    return {name: entry[name] for name in same} | {
        "organization_id": UUID(entry["organization_id"]),
        "originator_id": UUID(entry["originator_id"]),
        "state_hash": bytes.fromhex(vector["state_hash"]),
    }


def place(vector: dict[str, Any]) -> tuple[int, int]:
    return vector["entry"]["position"], vector["entry"]["recorded_at_microseconds"]


@each_vector
def test_a_payload_is_hashed_with_its_salt(vector):
    salt, state = vector["entry"]["salt"], vector["entry"]["state"]
    if salt is None:
        assert state is None  # erased: the hash is all there is
    else:
        assert state_hash(bytes.fromhex(salt), bytes.fromhex(state)).hex() == vector["state_hash"]


@each_vector
def test_a_leaf_of_rfc_6962_is_its_columns_each_with_its_length(vector):
    written = bytes.fromhex("".join(line.split(": ")[1] for line in vector["leaf_data"]))
    prefix = leaf_prefix(**arguments(vector))
    assert (b"\x00" + written).startswith(prefix)
    assert leaf_hash(prefix, *place(vector)) == sha256(b"\x00" + written).digest()


@each_vector
def test_leaf_and_chain_hash_are_what_the_vectors_say(vector):
    leaf = leaf_hash(leaf_prefix(**arguments(vector)), *place(vector))
    assert leaf.hex() == vector["leaf_hash"]
    assert chain_hash(bytes.fromhex(vector["previous_chain_hash"]), leaf).hex() == vector["chain_hash"]


def test_the_chain_of_a_stream_begins_with_zeros():
    assert bytes.fromhex(VECTORS[0]["previous_chain_hash"]) == BEFORE_FIRST == bytes(32)
    assert VECTORS[1]["previous_chain_hash"] == VECTORS[0]["chain_hash"]


@pytest.mark.parametrize("column", sorted(arguments(VECTORS[0])))
def test_every_column_changes_the_leaf(column):
    known = arguments(VECTORS[0])
    other: object
    match known[column]:
        case UUID(int=value):
            other = UUID(int=value ^ 1)
        case int(value):
            other = value + 1
        case str(value):
            other = value + "\x00"
        case value:
            other = bytes(32)
    assert leaf_hash(leaf_prefix(**known | {column: other}), 1, 2) != leaf_hash(leaf_prefix(**known), 1, 2)


def test_place_and_time_change_the_leaf():
    prefix = leaf_prefix(**arguments(VECTORS[0]))
    assert len({leaf_hash(prefix, 1, 2), leaf_hash(prefix, 2, 1), leaf_hash(prefix, 1, 1)}) == 3


def test_text_cannot_move_from_one_column_to_the_next():
    known = arguments(VECTORS[0])
    one = leaf_prefix(**known | {"request_id": "ab", "actor": "c"})
    two = leaf_prefix(**known | {"request_id": "a", "actor": "bc"})
    assert one != two


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_hash_of_another_size_is_refused(size):
    with pytest.raises(ValueError, match="32 bytes"):
        leaf_prefix(**arguments(VECTORS[0]) | {"state_hash": bytes(size)})


def test_time_is_counted_exactly_and_in_utc():
    at = datetime(2023, 11, 14, 22, 13, 20, 1, tzinfo=UTC)
    assert microseconds(at) == 1_700_000_000_000_001
    assert microseconds(at.astimezone(timezone(timedelta(hours=-5)))) == microseconds(at)
    with pytest.raises(TypeError):
        microseconds(at.replace(tzinfo=None))
