"""Where does a follower write down how far it has read? In the library's tracking table, on a connection of its own.

The connection is a lease. The advisory lock that makes a follower the active one belongs to it, and the server ends a
session that says nothing for LEASE_SECONDS, so that a follower that hangs or is cut off makes room for another.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from projections.event_store import Datastore

TABLE = "follower_tracking"

LEASE_SECONDS = 3
"""After so long without a word the server ends a follower's session, within a transaction or between two."""

STATEMENT_SECONDS = 30
"""No statement of a follower takes longer."""

_PATIENCE = {
    "connect_timeout": 3,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": LEASE_SECONDS * 1000,
}
"""How a connection over TCP notices that nobody answers any more; the URL may say otherwise."""

_SESSION = (
    f"SET idle_session_timeout = '{LEASE_SECONDS}s'; SET idle_in_transaction_session_timeout = '{LEASE_SECONDS}s';"
    f"SET lock_timeout = '{LEASE_SECONDS}s'; SET statement_timeout = '{STATEMENT_SECONDS}s';"
    f"SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 2;"
    f"SET tcp_user_timeout = {LEASE_SECONDS * 1000};"
    "SET timezone = 'UTC'; SET jit = off; SET plan_cache_mode = force_generic_plan; SET ROLE ledger_follower"
).encode()


class FollowerDatastore(Datastore):
    """The pool of those who ask where a follower is. It works as the role `ledger_follower`."""

    def __init__(self, url: str) -> None:
        super().__init__(url, pool_size=1, connect_timeout=_PATIENCE["connect_timeout"], lock_timeout=LEASE_SECONDS)
        self.pool.kwargs = {**_PATIENCE, **conninfo_to_dict(url), "row_factory": dict_row}  # rows as the library's

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """Return what every new connection does first."""
        return _prepare


class FollowerRecorder(PostgresTrackingRecorder):
    """The library's tracking, for all followers in one table: its `application_name` is the follower's name."""

    datastore: FollowerDatastore

    def __init__(self, url: str) -> None:
        super().__init__(FollowerDatastore(url), tracking_table_name=TABLE)

    @contextmanager
    def connect(self, follower: str) -> Iterator[Connection[Any]]:
        """Lend a connection outside the pool, in autocommit, that is closed afterwards: the follower's lease."""
        kwargs: Any = self.datastore.pool.kwargs
        with psycopg.Connection.connect(**kwargs, application_name=f"ledger follower {follower}"[:63]) as connection:
            _prepare(connection)
            yield connection

    def tracked(self, cursor: Cursor[Any], follower: str) -> int:
        """Return the position of the last entry that the follower has handled; 0 before the first."""
        return self._max_tracking_id(follower, cursor) or 0

    def track(self, cursor: Cursor[Any], follower: str, position: int) -> None:
        """Note the new position; IntegrityError when it is not ahead of the one that is noted."""
        self._insert_tracking(cursor, Tracking(follower, position))


def _prepare(connection: Connection[Any]) -> None:
    connection.autocommit = True
    connection.prepare_threshold = 1
    connection.execute(_SESSION, prepare=False)
