"""Rows that were encoded for COPY arrive as they are."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

from projections.copy_rows import COUNT, HEADER, TRAILER, bigint, blob, instant, text, uuid

TYPES = ("uuid", "text", "json", "bytea", "bigint", "timestamp with time zone")
ONE = "0190a0c4-5d5f-7d52-a3cf-000000000001"
OTHER = "0190a0c4-5d5f-7d52-a3cf-0000000000ff"
ROWS: list[tuple[Any, ...]] = [
    (ONE, "Zoë", '{"a": 1}', b"\x00\xff", -7, "2026-01-05T15:30:00.000001Z"),
    (OTHER, "", '["ü"]', b"", 2**60, "1999-12-31T23:59:59.000000Z"),
    (None, None, None, None, 0, "2000-01-01T00:00:00.000000Z"),
]


def test_rows_arrive_as_they_are_with_nulls_where_they_were(database_url):
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(TYPES))
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE arrived ({columns})".encode())
        with cursor.copy("COPY arrived FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(HEADER + b"".join(map(_encoded, ROWS)) + TRAILER)
        cursor.execute("SET timezone = 'UTC'")
        arrived = cursor.execute(
            'SELECT c0, c1, c2::text, c3, c4, to_char(c5, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\') FROM arrived'
        ).fetchall()
    assert arrived == [(None if row[0] is None else UUID(row[0]), *row[1:]) for row in ROWS]


def _encoded(row: tuple[Any, ...]) -> bytes:
    encoders: tuple[Callable[[Any], bytes], ...] = (uuid, text, text, blob, bigint, instant)
    return COUNT[len(row)] + b"".join(encode(value) for encode, value in zip(encoders, row, strict=True))
