"""How does an entry come over the wire, and where in it are the bytes that its leaf hashes?

`COPY … (FORMAT BINARY)` sends each column as its length in four bytes and then its bytes, big-endian: in the leaf's
order of columns that is, byte for byte, what `domain.hashing` hashes. So an entry is checked as it comes, without being
taken apart into eleven values and put together again, in half the time:

    columns, 2 bytes ‖ LP(salt) ‖ LP(state) ‖ LP(nothing) ‖ leaf data ‖ LP(leaf_hash) ‖ LP(chain_hash)

The length of nothing ends with the byte 0x00 that begins a leaf. That each column has its own length, whatever somebody
wrote into it, is part of what is compared.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Any

from psycopg import Connection
from psycopg.errors import DatabaseError
from psycopg.pq import ExecStatus, error_message

from domain.hashing import HASH_SIZE
from projections.copy_rows import HEADER, TRAILER

LOG = """COPY (
    SELECT salt, state, ''::bytea, organization_id, originator_id, originator_version, topic, schema_version,
        request_id, actor, source, state_hash, position,
        CASE WHEN isfinite(recorded_at) THEN (extract(epoch FROM recorded_at) * 1000000)::int8 ELSE -1 END,
        leaf_hash, chain_hash
    FROM ledger_events {where} ORDER BY position
) TO STDOUT (FORMAT BINARY)"""

LENGTH_OF_HASH = b"\x00\x00\x00\x20"

PAYLOAD = Struct(">2xi16si").unpack_from
"""From the row's first byte: the salt's length, the salt where that is 16, and then the state's length; -1 for NULL."""
STATE = 26
"""Where the state begins, behind a salt of 16 bytes; `STATE + length + 3` is where the leaf begins."""
STREAM = Struct(">5x36s4xq").unpack_from
"""From the leaf's first byte: the ids of organization and stream (with the second's length between), the version."""
TOPIC = 53
"""Where the topic's length stands, from the leaf's first byte."""
END = Struct(">32s4xq12x36s36s").unpack_from
"""From 128 bytes before the row's end: state_hash, position, LP(leaf_hash), LP(chain_hash)."""
END_SIZE, HASHES_SIZE = 128, 72


def read_log(connection: Connection[Any], after: int) -> Iterator[bytes]:
    """Yield the rows after a position, in order of position; the connection is busy until the last one.

    After 0 these are all rows, also those that somebody put before the first position.
    """
    wire = connection.pgconn
    where = f"WHERE position > {after}" if after else ""
    if (answer := wire.exec_(LOG.format(where=where).encode())).status != ExecStatus.COPY_OUT:
        raise DatabaseError(error_message(answer))
    next_row = wire.get_copy_data
    length, message = next_row(0)
    row = bytes(message).removeprefix(HEADER)
    while length > 0:
        if row != TRAILER:
            yield row
        length, message = next_row(0)
        row = bytes(message)
    while (end := wire.get_result()) is not None:
        if end.status != ExecStatus.COMMAND_OK:
            raise DatabaseError(error_message(end))


def payload(row: bytes) -> tuple[bytes | None, bytes | None, int]:
    """Return salt, state and where the leaf begins, whatever their lengths are."""
    salt, at = _column(row, 2)
    state, at = _column(row, at)
    return salt, state, at + 3


def mended(row: bytes) -> bytes:
    """Return the row with 32 zero bytes in place of a leaf or chain hash that is longer or shorter."""
    at = 2
    for _ in range(14):
        _, at = _column(row, at)
    leaf, after = _column(row, at)
    chain, _ = _column(row, after)
    hashes = (each if each is not None and len(each) == HASH_SIZE else bytes(HASH_SIZE) for each in (leaf, chain))
    return row[:at] + b"".join(LENGTH_OF_HASH + each for each in hashes)


def _column(row: bytes, at: int) -> tuple[bytes | None, int]:
    length = int.from_bytes(row[at : at + 4], signed=True)
    end = at + 4 + max(length, 0)
    return (None if length < 0 else row[at + 4 : end]), end
