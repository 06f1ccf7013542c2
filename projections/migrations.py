"""Which tables does the ledger need, and does this database have them?

Numbered SQL files, each applied once in its own transaction, under an advisory lock, with a checksum: a file that was
changed after it was applied is refused. Workers never create tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import tuple_row

from domain.errors import LedgerError, LedgerUnavailable

FOLDER = Path(__file__).parent / "sql" / "migrations"

LOCK = 0x1ED6E2_0001
"""Advisory lock key: one migration run at a time."""


class MigrationChanged(LedgerError):
    """A migration file differs from what was applied to this database; restore the file or the database."""


class NewerDatabase(LedgerError):
    """This database was migrated by a newer version of the program; run that version."""


class MigrationFailed(LedgerUnavailable):
    """A migration failed; the database is as after the one before it."""


class OwnerMayNotCreateRoles(LedgerError):
    """The owner of the database needs CREATEROLE, to make the roles of the ledger; let a superuser grant it."""


class RolesAreAnothers(LedgerError):
    """The server has the roles of the ledger, and the owner of this database may not work as them; grant them."""


ROLES = ("ledger_app", "ledger_follower", "ledger_eraser")
"""As whom the owner works. They belong to the server: all ledgers on it share them."""


@dataclass(frozen=True)
class Migration:
    """One numbered SQL file."""

    number: int
    name: str
    sql: str = field(repr=False)

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the file's text in hex."""
        return sha256(self.sql.encode()).hexdigest()


def known() -> list[Migration]:
    """Return the migrations of this program, in order."""
    files = sorted(FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [Migration(int(file.name[:4]), file.stem, file.read_text("utf-8")) for file in files]


def pending(url: str) -> list[Migration]:
    """Return the migrations that this database still lacks.

    MigrationChanged and NewerDatabase when the database does not fit the program.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        return _pending(connection)


def migrate(url: str) -> list[Migration]:
    """Apply what is missing, as the owner of the database; return what was applied. OwnerMayNotCreateRoles."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = _pending(connection)
        for migration in applied:
            with _explained(connection, migration), connection.transaction():
                connection.execute(migration.sql.encode())
                connection.execute(
                    "INSERT INTO migrations (number, name, checksum) VALUES (%s, %s, %s)",
                    (migration.number, migration.name, migration.checksum),
                )
                connection.execute("GRANT SELECT ON migrations TO ledger_app")
        return applied


@contextmanager
def _explained(connection: psycopg.Connection, migration: Migration) -> Iterator[None]:
    """Turn the database's refusal into a sentence. What it says of a value is left out: it may be a patient's."""
    try:
        yield
    except errors.InsufficientPrivilege as error:
        there = "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)"
        may = connection.execute("SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()
        if may == (False,) and _roles(connection, there) < set(ROLES):
            run = f"ALTER ROLE {connection.info.user} CREATEROLE"
            raise OwnerMayNotCreateRoles(as_superuser=run) from None
        raise MigrationFailed(migration=migration.name, reason=error.diag.message_primary) from None
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        reason = type(error).__name__ if isinstance(error, psycopg.DataError) else error.diag.message_primary
        raise MigrationFailed(migration=migration.name, reason=reason) from None


def check_roles(url: str) -> None:
    """Look whether the owner may work as the roles of the ledger. RolesAreAnothers."""
    ours = "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) AND pg_has_role(oid, 'MEMBER')"
    with psycopg.connect(url, autocommit=True) as connection:
        lacking = sorted(set(ROLES) - _roles(connection, ours))
        if lacking:
            raise RolesAreAnothers(as_superuser=f"GRANT {', '.join(lacking)} TO {connection.info.user}")


def _roles(connection: psycopg.Connection, query: LiteralString) -> set[str]:
    return {role for (role,) in connection.execute(query, (list(ROLES),)).fetchall()}


def _pending(connection: psycopg.Connection) -> list[Migration]:
    return lacking(connection.cursor(row_factory=tuple_row))


def lacking(cursor: psycopg.Cursor[Any]) -> list[Migration]:
    """Return the migrations that the database still lacks, as `pending` does; any role may ask. The rows are tuples."""
    if cursor.execute("SELECT to_regclass('migrations')").fetchone() == (None,):
        return known()
    applied: dict[int, str] = dict(cursor.execute("SELECT number, checksum FROM migrations").fetchall())
    ours = known()
    if set(applied) - {migration.number for migration in ours}:
        raise NewerDatabase
    for migration in ours:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise MigrationChanged(migration=migration.name)
    return [migration for migration in ours if migration.number not in applied]
