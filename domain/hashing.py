"""Which bytes of an entry are hashed, and how?

The stored form, frozen: an auditor re-implements this page in another language and checks it against
`tests/golden/hash_vectors.json`. With LP(x) = length of x as 4 bytes big-endian, then x:

    state_hash = SHA-256(salt, 16 bytes ‖ state)
    leaf data  = LP(organization_id, 16 bytes) ‖ LP(originator_id, 16 bytes) ‖ LP(originator_version, 8 bytes)
               ‖ LP(topic, UTF-8) ‖ LP(schema_version, 4 bytes) ‖ LP(request_id, UTF-8) ‖ LP(actor, UTF-8)
               ‖ LP(source, UTF-8) ‖ LP(state_hash, 32 bytes) ‖ LP(position, 8 bytes)
               ‖ LP(recorded_at, 8 bytes: microseconds since 1970-01-01T00:00:00Z)
    leaf_hash  = SHA-256(0x00 ‖ leaf data)                       a leaf of RFC 6962, index = position - 1
    chain_hash = SHA-256(chain_hash of the version before ‖ leaf_hash)   32 zero bytes before version 1

Integers are unsigned and big-endian; ids are the 16 bytes of the UUID in its written order. The state stands in
the leaf by its salted hash alone: an erased payload leaves every hash as it was, and a published hash tells
nothing about a short value. Inputs of chains (64 bytes), inner nodes (65) and leaves (at least 137) differ in
length, so that none can be passed off as another.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from uuid import UUID

HASH_SIZE = 32
BEFORE_FIRST = bytes(HASH_SIZE)
"""The chain hash before version 1 of every stream."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IDS = Struct(">BI16sI16sIQI").pack
_SCHEMA_VERSION = Struct(">III").pack
_LENGTH = Struct(">I").pack
_PLACE = Struct(">IQIQ").pack


def state_hash(salt: bytes, state: bytes) -> bytes:
    """Return the 32 bytes that stand for the payload in the leaf."""
    return sha256(salt + state).digest()


def leaf_prefix(
    organization_id: UUID,
    originator_id: UUID,
    originator_version: int,
    topic: str,
    schema_version: int,
    request_id: str,
    actor: str,
    source: str,
    state_hash: bytes,
) -> bytes:
    """Return the hash input as far as it is known before the entry has its place: 0x00 and nine columns.

    Everything costly is done here, before the append takes the head row; `leaf_hash` adds the rest.
    ValueError when state_hash is not 32 bytes.
    """
    if len(state_hash) != HASH_SIZE:
        raise ValueError("a state hash has 32 bytes")
    name, request, who, origin = topic.encode(), request_id.encode(), actor.encode(), source.encode()
    return b"".join(
        (
            _IDS(0, 16, organization_id.bytes, 16, originator_id.bytes, 8, originator_version, len(name)),
            name,
            _SCHEMA_VERSION(4, schema_version, len(request)),
            request,
            _LENGTH(len(who)),
            who,
            _LENGTH(len(origin)),
            origin,
            b"\x00\x00\x00\x20",
            state_hash,
        )
    )


def leaf_hash(prefix: bytes, position: int, recorded_at: int) -> bytes:
    """Return the 32 bytes of the leaf: `leaf_prefix`, completed by its place in the ledger.

    recorded_at in microseconds since the Unix epoch, see `microseconds`.
    """
    return sha256(prefix + _PLACE(8, position, 8, recorded_at)).digest()


def chain_hash(previous: bytes, leaf: bytes) -> bytes:
    """Return the stream's running hash after this leaf; `previous` is BEFORE_FIRST for version 1."""
    return sha256(previous + leaf).digest()


def microseconds(at: datetime) -> int:
    """Return whole microseconds since the Unix epoch, exactly; TypeError when `at` has no time zone."""
    past = at - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def at_microseconds(microseconds: int) -> datetime:
    """Return the instant, in UTC, so many microseconds after the Unix epoch."""
    return _EPOCH + timedelta(microseconds=microseconds)
