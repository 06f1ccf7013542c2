"""How do events get into PostgreSQL, and out? The recorder, at the seams of `eventsourcing`.

Two things of the stock recorder are switched off, with what replaces them: the table lock (positions come from the head
row, gapless and in commit order) and NOTIFY (followers poll). Tables are made by migrations, never by a worker.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import (
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
)
from eventsourcing.utils import Environment, EnvType, strtobool
from psycopg import Connection, Cursor, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row
from psycopg.types.json import set_json_loads
from psycopg_pool import PoolTimeout, TooManyRequests

from domain.entry import StoredEntry
from domain.errors import LedgerUnavailable, UnsafeSetting, WriteConflict
from domain.store import END, Store
from projections.statements import statements
from projections.trips import BEGIN, COMMIT, ROLLBACK, Batch, Trips
from projections.unit_of_work import UnitOfWork

_SQL = statements("event_store")

DATABASE_URL = "DATABASE_URL"

PLANS = (
    "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off;"
    "SET enable_hashjoin = off; SET enable_mergejoin = off"
)
"""Every statement of the application looks a few rows up by index; plans made from the statistics of an empty or fast
growing table do not (measured: the look-up of a list fell from 3 ms to 60 ms between two ANALYZE)."""

SOCKET = {
    "application_name": "patient-ledger",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""Unless the URL says otherwise: a server that went silent is noticed after half a minute, not after two hours."""

RECONNECT_SECONDS = 1.0
"""For so long a connection is tried for again by itself; the next request that needs one tries anew. The pool's own
patience doubles with each failure: after two minutes without a database it came back a minute late."""

AWAY_SECONDS = 1.0
"""After one request waited in vain, others are refused for so long without waiting, so that they do not pile up."""

AWAY = (psycopg.OperationalError, errors.IdleInTransactionSessionTimeout, errors.ReadOnlySqlTransaction)
"""The database is away, too busy, in recovery, or gave up on us; the pool's own errors are OperationalErrors too."""

OVERTAKEN = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)
"""Another transaction was first."""


class Datastore(PostgresDatastore):
    """The library's pool, connecting as the URL says and working as the role `ledger_app`."""

    def __init__(self, url: str, **pool_settings: Any) -> None:
        parameters = {**SOCKET, **conninfo_to_dict(url)}
        super().__init__(dbname="", host="", port="", user="", password="", **pool_settings)
        self.pool.kwargs = {**parameters, "row_factory": tuple_row}
        self.pool.reconnect_timeout = RECONNECT_SECONDS
        self.away_until = 0.0
        """Until then (monotonic seconds) nobody waits for a connection: none could be had a moment ago."""

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """Return what every new connection does first."""
        timeouts = (
            f"SET idle_in_transaction_session_timeout = {int(self.idle_in_transaction_session_timeout * 1000)};"
            f"SET lock_timeout = {int(self.lock_timeout * 1000)};"
            f"SET statement_timeout = {int(self.lock_timeout * 2000)};"
            f"SET timezone = 'UTC'; {PLANS}; SET ROLE ledger_app"
        ).encode()

        def after_connect(connection: Connection[Any]) -> None:
            connection.autocommit = True
            # At once: what is prepared on second use in a pipeline that fails is believed to be prepared for good.
            connection.prepare_threshold = 0
            set_json_loads(orjson.loads, connection)
            connection.execute(timeouts, prepare=False)

        return after_connect

    def register_type_adapters(self) -> None:
        """Do nothing: rows travel as plain arrays, so that starting up needs no database."""


class Recorder(PostgresApplicationRecorder, Store):
    """Appends within a unit of work; reads rows with all their columns."""

    datastore: Datastore

    def _lock_table(self, curs: Cursor[Any]) -> None:
        """Take no lock: the head row orders appends, and the table stays free for VACUUM and index builds."""

    def _notify_channel(self, curs: Cursor[Any]) -> None:
        """Send nothing: NOTIFY inside an append defeats group commit."""

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """Lend a connection of the pool. LedgerUnavailable when none can be had or it breaks."""
        pool, away = self.datastore.pool, time.monotonic() < self.datastore.away_until
        try:
            pool.open()
            connection = pool.getconn(timeout=AWAY_SECONDS / 10 if away else None)
            try:
                yield connection
            finally:
                pool.putconn(connection)
        except AWAY as error:
            if isinstance(error, PoolTimeout) and not pool.get_stats().get("pool_available"):
                self.datastore.away_until = time.monotonic() + AWAY_SECONDS
            if isinstance(error, TooManyRequests):
                pool.check()  # the pool counts who gave up as waiting until it has a connection, and would try no more
            raise LedgerUnavailable(cause=type(error).__name__) from None

    @contextmanager
    def reading(self, *organization_ids: str) -> Iterator[Cursor[Any]]:
        """Lend a cursor in a transaction that sees these organizations and no other."""
        with self.connection() as connection:
            trips = Trips(connection)
            trips.ask([BEGIN, (_SQL["admit"], {"organizations": ",".join(organization_ids)})])
            try:
                with connection.cursor() as cursor:
                    yield cursor
            except BaseException:
                if not connection.closed:
                    trips.ask([ROLLBACK])
                raise
            trips.ask([COMMIT])

    def write(self, organization_id: str, batch: Batch) -> None:
        """Run what was gathered in a transaction of its own that sees this organization, all in one trip."""
        with self.connection() as connection:
            trips = Trips(connection)
            try:
                trips.ask([BEGIN, (_SQL["admit"], {"organizations": organization_id}), *batch.asked, COMMIT])
            except psycopg.Error:
                if not connection.closed:
                    trips.ask([ROLLBACK])
                raise

    @contextmanager
    def unit_of_work(self, organization_ids: Sequence[str]) -> Iterator[UnitOfWork]:
        """Open one transaction for these organizations: look up, decide, append; rolled back unless committed."""
        with self.connection() as connection:
            work = UnitOfWork(connection, organization_ids)
            try:
                yield work
            except BaseException as error:
                work.close(failed=True)
                if isinstance(error, OVERTAKEN):
                    raise WriteConflict(cause=type(error).__name__) from None
                raise
            work.close(failed=False)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, work: UnitOfWork | None = None, **_: Any
    ) -> Sequence[int] | None:
        """Append the rows and the inline projections within `work`, and commit; return their positions."""
        if work is None:
            raise TypeError("the ledger appends within a unit of work only")
        return work.append([event for event in stored_events if isinstance(event, StoredEntry)])

    def select_stream(
        self,
        cursor: Cursor[Any],
        organization_id: str,
        stream_id: str,
        *,
        after: int = 0,
        up_to: int = END,
        limit: int = END,
        newest_first: bool = False,
    ) -> list[StoredEntry]:
        """Return rows of one stream with `after` < version ≤ `up_to`."""
        statement = _SQL["select_stream_backwards" if newest_first else "select_stream"]
        keys = {"organization": organization_id, "stream": stream_id}
        found = cursor.execute(statement, {**keys, "after": after, "up_to": up_to, "limit": limit})
        return [stored_entry(row) for row in found]

    def select_log(self, cursor: Cursor[Any], *, after: int, up_to: int = END, limit: int = 1000) -> list[StoredEntry]:
        """Return rows of the whole log with `after` < position ≤ `up_to`, as far as the role may see them."""
        found = cursor.execute(_SQL["select_log"], {"after": after, "up_to": up_to, "limit": limit})
        return [stored_entry(row) for row in found]

    def max_notification_id(self) -> int | None:
        """Return the position of the head."""
        with self.connection() as connection:
            row = connection.execute(_SQL["read_head"]).fetchone()
            assert row is not None
            return int(row[0])


def stored_entry(row: Sequence[Any]) -> StoredEntry:
    """Return the entry of a row with the columns of `select_stream`."""
    return StoredEntry(
        position=row[0],
        organization_id=row[1],
        originator_id=row[2],
        originator_version=row[3],
        topic=row[4],
        schema_version=row[5],
        state=row[6] or b"",
        recorded_at=row[7],
        request_id=row[8],
        actor=row[9],
        source=row[10],
        salt=row[11] or b"",
        state_hash=row[12],
        leaf_hash=row[13],
        chain_hash=row[14],
    )


class Factory(PostgresFactory):
    """The library's factory, for our recorder on our datastore."""

    application_recorder_class = Recorder

    def __init__(self, env: Environment | EnvType | None) -> None:
        environment = env if isinstance(env, Environment) else Environment(env=env)
        if strtobool(environment.get(self.POSTGRES_ENABLE_DB_FUNCTIONS) or "no"):
            raise UnsafeSetting(setting=self.POSTGRES_ENABLE_DB_FUNCTIONS)
        if strtobool(environment.get(self.CREATE_TABLE) or "no"):
            raise UnsafeSetting(setting=self.CREATE_TABLE)
        # The stock initialiser wants the parts of a URL; its datastore (never opened) gives way to ours.
        placeholders = (self.POSTGRES_DBNAME, self.POSTGRES_HOST, self.POSTGRES_USER, self.POSTGRES_PASSWORD)
        for name in placeholders:
            environment.setdefault(name, "-")
        super().__init__(environment)
        self.datastore = Datastore(
            environment[DATABASE_URL],
            pool_size=int(environment.get(self.POSTGRES_POOL_SIZE) or 2),
            max_overflow=int(environment.get(self.POSTGRES_MAX_OVERFLOW) or 8),
            max_waiting=int(environment.get(self.POSTGRES_MAX_WAITING) or 256),
            connect_timeout=float(environment.get(self.POSTGRES_CONNECT_TIMEOUT) or 3),
            lock_timeout=int(environment.get(self.POSTGRES_LOCK_TIMEOUT) or 5),
            idle_in_transaction_session_timeout=10,
        )

    def env_create_table(self) -> bool:
        """Return False: migrations own the tables."""
        return False
