"""Do statements come back as they were sent, whatever breaks on the way?"""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from projections.arrays import bigints, byteas, texts, uuids
from projections.trips import BEGIN, COMMIT, ROLLBACK, Asked, Trips, Value, microseconds, number
from tests.clinic import asked

ONE = "01890000-0000-7000-8000-000000000001"


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def test_values_arrive_as_they_are(connection: psycopg.Connection):
    values: dict[str, Value] = {
        "texts": texts(["Zoë", None, ""]),
        "ids": uuids([ONE, None]),
        "bytes": byteas([b"\x00\xff", None]),
        "numbers": bigints([-1, 2**62]),
        "text": "a 'quoted' \\ word",
        "byte": b"\x00",
        "nothing": None,
        "number": 7,
    }
    sql = (
        b"SELECT %(texts)s = ARRAY['Zo\xc3\xab', NULL, ''], %(ids)s = ARRAY['" + ONE.encode() + b"'::uuid, NULL],"
        b" %(bytes)s = ARRAY['\\x00ff'::bytea, NULL], %(numbers)s = ARRAY[-1, 4611686018427387904],"
        b" %(text)s || '' = 'a ''quoted'' \\ word', %(byte)s = '\\x00'::bytea, %(nothing)s::text IS NULL,"
        b" 1 + %(number)s = 8, 5 %% 3 = 2"
    )
    ((row,),) = Trips(connection).ask([(sql, values)])
    assert row == [b"\x01"] * 9


def test_numbers_and_instants_come_back(connection: psycopg.Connection):
    ((row,),) = Trips(connection).ask([(b"SELECT 42::bigint, '2026-01-05 15:30:00.123456Z'::timestamptz, NULL", {})])
    assert (number(row[0]), microseconds(row[1]), row[2]) == (42, 1_767_627_000_123_456, None)


def test_more_than_the_socket_holds_arrives(connection: psycopg.Connection):
    megabytes = "x" * 9_000_000
    asks = [(b"SELECT length(%(text)s), repeat('y', 3000000)", {"text": megabytes})] * 3
    for ((length, told),) in Trips(connection).ask(asks):
        assert (int.from_bytes(length, "big"), len(told)) == (9_000_000, 3_000_000)


def test_what_follows_a_failure_is_not_run_and_the_connection_goes_on(connection: psycopg.Connection):
    trips = Trips(connection)
    trips.ask([(b"CREATE TABLE seen (number bigint PRIMARY KEY)", {})])
    trips.ask([BEGIN])
    insert = b"INSERT INTO seen VALUES (%(number)s)"
    with pytest.raises(errors.UniqueViolation) as raised:
        trips.ask([(insert, {"number": 1}), (insert, {"number": 1}), (insert, {"number": 2}), COMMIT])
    assert "1" not in str(raised.value), "no value of a row"
    trips.ask([ROLLBACK, BEGIN, (insert, {"number": 3}), COMMIT])
    assert connection.execute("SELECT number FROM seen").fetchall() == [(3,)]


def test_a_connection_that_is_cut_says_whether_the_last_statement_can_have_run(
    connection: psycopg.Connection, database_url: str
):
    ended: Asked = (b"SELECT pg_terminate_backend(pg_backend_pid())", {})
    with pytest.raises(psycopg.OperationalError) as before:
        Trips(connection).ask([BEGIN, ended, COMMIT])
    assert before.value.sqlstate == "57P01"
    assert connection.closed
    with psycopg.connect(database_url, autocommit=True) as other, pytest.raises(psycopg.OperationalError) as last:
        Trips(other).ask([BEGIN, ended])
    assert last.value.sqlstate is None


def test_a_connection_made_to_forget_is_given_up(connection: psycopg.Connection, database_url: str):
    trips = Trips(connection)
    trips.ask([(b"SELECT 1", {})])
    connection.execute("DEALLOCATE ALL", prepare=False)
    with pytest.raises(psycopg.OperationalError):
        trips.ask([(b"SELECT 1", {})])
    assert connection.closed
    assert asked(database_url, "SELECT 1") == [(1,)]
