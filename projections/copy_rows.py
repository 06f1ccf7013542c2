"""How are rows told to COPY? In PostgreSQL's binary format, written here: several times faster than adapting values.

A field is its length and its bytes, a row the number of its fields and those; `None` is NULL.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import Struct

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

COUNT = tuple(map(Struct(">h").pack, range(16)))
"""What begins a row of so many fields."""

length = Struct(">i").pack
"""What goes before the bytes of a field."""

_INT8 = Struct(">iq").pack
_NULL = length(-1)
_UUID = length(16)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts microseconds from here
_MICROSECOND = timedelta(microseconds=1)


def text(value: str | None) -> bytes:
    """Return a `text`, or JSON as it is stored."""
    return _NULL if value is None else blob(value.encode())


def blob(value: bytes | None) -> bytes:
    """Return a `bytea`, or a text that is encoded already."""
    return _NULL if value is None else length(len(value)) + value


@lru_cache(maxsize=64)
def uuid(value: str | None) -> bytes:
    """Return a `uuid`; canonical text, as folds hold ids. The same few come again and again."""
    return _NULL if value is None else _UUID + bytes.fromhex(value.replace("-", ""))


def bigint(value: int) -> bytes:
    """Return a `bigint`."""
    return _INT8(8, value)


def instant(value: str) -> bytes:
    """Return a `timestamptz`; text, as folds hold instants."""
    return bigint((datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND)
