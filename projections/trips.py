"""How do the statements of an upsert travel? Several in one trip, prepared, in libpq's own terms.

psycopg's cursors find out anew for every statement what its values are and wait for each answer in Python: of a lone
upsert's time, that was a third. Here a statement is a name and bytes. Everything that is not in the way of every upsert
goes through cursors.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import count
from select import POLLIN, POLLOUT, poll
from struct import Struct
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import psycopg
from psycopg import Connection
from psycopg.errors import InvalidSqlStatementName, lookup
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from projections.arrays import Column

_PLACE = re.compile(rb"%\((\w+)\)[sbt]")
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)
_TEXT, _BINARY = 0, 1
_BYTEA = 17
_NUMBER = Struct(">q")
_EPOCH = 946_684_800_000_000
"""PostgreSQL counts from 2000."""
_UNKNOWN = 0
"""The server infers the type from where the value stands."""


Value = Column | str | int | bytes | None
Asked = tuple[bytes, Mapping[str, Value]]
"""A statement of `sql/`, and its values by name."""
Rows = list[list[Any]]
"""Values in PostgreSQL's binary form, bytes; `None` is NULL."""


class Writer(Protocol):
    """A cursor as far as projections write by it: statements that return nothing."""

    def execute(self, query: bytes, params: Mapping[str, Any], /) -> object:
        """Run a statement, now or with the next trip."""


class Batch:
    """A `Writer` that gathers statements for one trip."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def execute(self, query: bytes, params: Mapping[str, Value], /) -> None:
        """Add a statement."""
        self.asked.append((query, params))


class _Statement(NamedTuple):
    """A statement with numbered places, and the names of what goes there."""

    text: bytes
    names: tuple[str, ...]


class _Preparing(NamedTuple):
    """A statement with types is prepared under a name."""

    asked: tuple[bytes, tuple[int, ...]]
    name: bytes


BEGIN: Asked = (b"BEGIN", {})
COMMIT: Asked = (b"COMMIT", {})
ROLLBACK: Asked = (b"ROLLBACK", {})
"""Not psycopg's: with each ROLLBACK it would have the server forget everything that is prepared."""


class _Prepared:
    """What a connection has prepared: (statement, types) → name; and numbers for names, each used once."""

    def __init__(self) -> None:
        self.names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self.numbers = count()


_PREPARED: "WeakKeyDictionary[Connection[Any], _Prepared]" = WeakKeyDictionary()


class Trips:
    """The statements of one connection, for one thread at a time."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._prepared = _PREPARED.setdefault(connection, _Prepared())

    def ask(self, asked: Iterable[Asked]) -> list[Rows]:
        """Run statements one after another, in one trip; return the rows of each.

        Stops at the first that fails and raises its psycopg.Error. OperationalError without an SQLSTATE when the
        connection is lost: then nobody can tell whether the last one was run.
        """
        pg = self._pg
        sent: list[_Preparing | None] = []
        new: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        try:
            pg.enter_pipeline_mode()
            for sql, values in asked:
                statement = _read(sql)
                encoded = [_encoded(values[name]) for name in statement.names]
                types = tuple([each[0] for each in encoded])
                name = self._prepared.names.get((sql, types)) or new.get((sql, types))
                if name is None:
                    name = new[sql, types] = b"trip_%d" % next(self._prepared.numbers)
                    pg.send_prepare(name, statement.text, types)
                    sent.append(_Preparing((sql, types), name))
                pg.send_query_prepared(name, [each[1] for each in encoded], [each[2] for each in encoded], _BINARY)
                sent.append(None)
            pg.pipeline_sync()
            self._flush()
            results = self._results()
            if pg.status == ConnStatus.OK:
                pg.exit_pipeline_mode()
        except BaseException:
            self._connection.close()  # in the middle of a trip, what comes next cannot be told from what came before
            raise
        return self._answers(sent, results)

    def _answers(self, sent: Sequence[_Preparing | None], results: Sequence[PGresult]) -> list[Rows]:
        """Return the rows of each statement that was no preparation, and note what is prepared."""
        answers = []
        for place, (preparing, result) in enumerate(zip(sent, results, strict=False), start=1):
            if result.status in _FAILED:
                error = _error(result)
                if isinstance(error, InvalidSqlStatementName):
                    self._connection.close()  # somebody had it forget what it had prepared; the next one starts anew
                    raise psycopg.OperationalError("the connection was reset")
                if place == len(sent) and self._pg.status != ConnStatus.OK:
                    break
                raise error
            if preparing is None:
                columns = range(result.nfields)
                answers.append([[result.get_value(row, column) for column in columns] for row in range(result.ntuples)])
            else:
                self._prepared.names[preparing.asked] = preparing.name
        else:
            if len(results) == len(sent):
                return answers
        raise psycopg.OperationalError("the connection is lost")

    def _flush(self) -> None:
        while self._pg.flush():
            ready = poll()
            ready.register(self._pg.socket, POLLIN | POLLOUT)
            if any(event & POLLIN for _, event in ready.poll()):
                self._pg.consume_input()

    def _results(self) -> list[PGresult]:
        """Return a result for each statement sent, up to where the connection was lost."""
        pg, found = self._pg, []
        ready = poll()
        ready.register(pg.socket, POLLIN)
        ends = 0
        while ends < 2:
            with suppress(psycopg.OperationalError):  # lost: what arrived before that is still to be had
                while pg.is_busy():
                    ready.poll()
                    pg.consume_input()
            result = pg.get_result()
            if result is None:  # behind the results of each statement, and for ever once the connection is lost
                ends += 1
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
            ends = 0
            found.append(result)
        return found


def number(value: bytes) -> int:
    """Return a `bigint`."""
    found: int = _NUMBER.unpack(value)[0]
    return found


def microseconds(value: bytes) -> int:
    """Return a `timestamptz` in microseconds since the Unix epoch."""
    return number(value) + _EPOCH


@cache
def _read(sql: bytes) -> _Statement:
    names = tuple(dict.fromkeys(name.decode() for name in _PLACE.findall(sql)))
    numbered = _PLACE.sub(lambda place: b"$%d" % (names.index(place[1].decode()) + 1), sql)
    return _Statement(numbered.replace(b"%%", b"%"), names)


def _encoded(value: Value) -> tuple[int, bytes | None, int]:
    """Return (type, bytes, format) of a value."""
    if isinstance(value, Column):
        return value.array, value.dump(), _BINARY
    match value:
        case str():
            return _UNKNOWN, value.encode(), _TEXT
        case int():
            return _UNKNOWN, b"%d" % value, _TEXT
        case bytes():
            return _BYTEA, value, _BINARY
        case None:
            return _UNKNOWN, None, _TEXT
    raise TypeError(f"no value that travels: {type(value).__name__}")


def _error(result: PGresult) -> psycopg.Error:
    """Return the error of a result: its class and PostgreSQL's own words.

    These may hold a value that was sent. The service logs and answers the class alone; a verb that breaks off shows
    them to whoever runs it.
    """
    state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
    words = (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
    try:
        return lookup(state)(words)
    except KeyError:
        return psycopg.OperationalError(words)
