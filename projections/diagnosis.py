"""Is the database what the ledger needs, does it hold what it must, and if not, what is to be done?

Every check is one look; none changes anything. The owner asks: the application's role would not see enough.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Cursor

from domain.errors import LedgerError
from projections import migrations, twin_tables
from projections.build import one_alone
from projections.statements import statements
from projections.status import read_status

_SQL = statements("diagnosis")

OLDEST = 150_000
CLOCKS_APART_SECONDS = 2.0
KEEP_PREVIOUS_SECONDS = 14 * 86_400


class Finding(NamedTuple):
    """What one check found. `advice`: what to do, where it is not fine."""

    check: str
    fine: bool
    detail: str
    advice: str = ""


def diagnose(cursor: Cursor[Any], now: Callable[[], datetime], *, thorough: bool = True) -> Iterator[Finding]:
    """Yield what each check finds; rows must come as tuples. `now`: this machine's clock, in UTC.

    thorough: read all events and rows as well. What a database without our tables cannot be asked is left out.
    """
    yield from _server(cursor)
    migrated = _migrations(cursor)
    yield migrated
    if not migrated.fine:
        return
    for check in (_roles, _grants, _guards, _tenants, _followers, _leftovers):
        yield check(cursor)
    yield _clock(cursor, now)
    yield _transactions(cursor)
    if thorough:
        yield _positions(cursor)
        yield _streams(cursor)
        yield _read_model(cursor)


def _server(cursor: Cursor[Any]) -> Iterator[Finding]:
    number, version, user, superuser, owner, recovering, size = _row(cursor, "server")
    yield Finding(
        "server",
        number >= OLDEST and not recovering,
        f"PostgreSQL {version}, {size // 2**20:,} MB{', in recovery' if recovering else ''}",
        "The ledger needs the primary of a PostgreSQL 15 or later.",
    )
    yield Finding(
        "owner",
        superuser or user == owner,
        f"connected as {user}",
        f"Connect as the owner of the database, {owner}: LEDGER_DATABASE_URL.",
    )
    settings = dict(cursor.execute(_SQL["settings"]).fetchall())
    off = [
        name for name in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum") if settings[name] == "off"
    ]
    yield Finding(
        "durability",
        not off,
        f"off: {', '.join(off)}" if off else "commits are on disk when they are acknowledged",
        "Switch them on: an acknowledged upsert may be lost with the power, or the tables grow for ever.",
    )
    if settings["data_checksums"] == "off":
        advice = "pg_checksums --enable, with the server stopped."
        yield Finding("checksums", False, "a rotten page would go unnoticed", advice)  # noqa: FBT003 - not fine


def _migrations(cursor: Cursor[Any]) -> Finding:
    try:
        lacking = migrations.lacking(cursor)
    except LedgerError as error:
        return Finding("migrations", False, str(error), "Run the version of the program that fits.")  # noqa: FBT003
    names = ", ".join(each.name for each in lacking)
    return Finding("migrations", not lacking, names or "all applied", "./scripts/serve applies them, or any verb.")


def _roles(cursor: Cursor[Any]) -> Finding:
    rows = cursor.execute(_SQL["roles"]).fetchall()
    missing = [name for name, there, _, _ in rows if not there]
    closed = [name for name, there, member, _ in rows if there and not member]
    strong = [name for name, _, _, too_much in rows if too_much]
    told = [
        *(f"{name} is missing" for name in missing),
        *(f"we may not work as {name}" for name in closed),
        *(f"{name} is more than an ordinary role" for name in strong),
    ]
    advice = "As a superuser: " + " ".join(
        [
            *(f"CREATE ROLE {name} NOLOGIN;" for name in missing),
            *(f"GRANT {name} TO {_row(cursor, 'server')[2]};" for name in (*missing, *closed)),
            *(f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB;" for name in strong),
        ]
    )
    return Finding("roles", not told, "; ".join(told) or "as they should be", advice)


def _grants(cursor: Cursor[Any]) -> Finding:
    missing = [f"{role} lacks {what} on {table}" for role, table, what in cursor.execute(_SQL["missing_grants"])]
    excess = [f"{role} has {what} on {table}" for role, table, what in cursor.execute(_SQL["excess_grants"])]
    advice = "REVOKE what is too much, GRANT what is missing: migration 0001_ledger.sql says which role may do what."
    return Finding("grants", not (missing or excess), "; ".join((*excess, *missing)) or "as they should be", advice)


def _guards(cursor: Cursor[Any]) -> Finding:
    (firing,) = _row(cursor, "guards")
    return Finding(
        "append-only",
        firing == 2,
        f"{firing} of 2 triggers refuse changes of the ledger",
        "ALTER TABLE ledger_events ENABLE TRIGGER ALL; then ./scripts/ledger verify: find out who switched them off.",
    )


def _tenants(cursor: Cursor[Any]) -> Finding:
    open_tables = [row[0] for row in cursor.execute(_SQL["unprotected"])]
    return Finding(
        "tenants",
        not open_tables,
        f"without row-level security: {', '.join(open_tables)}" if open_tables else "row-level security on every table",
        "ALTER TABLE … ENABLE ROW LEVEL SECURITY, with the policy `tenant` of the migrations; until then keys may see"
        " what is not theirs.",
    )


def _followers(cursor: Cursor[Any]) -> Finding:
    found = read_status(cursor).findings
    return Finding(
        "projections",
        not found,
        "; ".join(found) or "all as they should be",
        "./scripts/ledger status tells more. Parked: mend the program, then rebuild. Stuck: restart ./scripts/serve."
        " Rows differed: rebuild --all --check tells in what, --accept makes them anew.",
    )


def _leftovers(cursor: Cursor[Any]) -> Finding:
    building = twin_tables.tables_of(cursor, twin_tables.BUILDING) if one_alone(cursor) else []
    tables, age, size = _row(cursor, "previous")
    told = []
    if building:
        told.append(f"an interrupted rebuild left {len(building)} tables")
    if tables and age > KEEP_PREVIOUS_SECONDS:
        told.append(f"tables from before the last flip are kept for {age // 86_400} days ({size // 2**20:,} MB)")
    advice = "The next rebuild clears away the former; ./scripts/ledger rebuild --all --drop-previous the latter."
    return Finding("leftovers", not told, "; ".join(told) or "none", advice)


def _clock(cursor: Cursor[Any], now: Callable[[], datetime]) -> Finding:
    ours = now()
    theirs, _, behind = _row(cursor, "clock")
    apart = abs((theirs - ours).total_seconds())
    told = []
    if apart > CLOCKS_APART_SECONDS:
        told.append(f"this machine and the database are {apart:.0f} s apart")
    if behind < 0:
        told.append(f"the last entry is {-behind:.0f} s in the future: the database's clock was set back")
    return Finding(
        "clock",
        not told,
        "; ".join(told) or f"{apart:.1f} s apart",
        "Keep both machines in step with NTP. Entries are dated by the database and never backwards; until its clock"
        " has caught up, all of them get the same instant.",
    )


def _transactions(cursor: Cursor[Any]) -> Finding:
    rows = cursor.execute(_SQL["long_transactions"]).fetchall()
    told = [f"process {pid} ({name or 'unnamed'}) for {seconds // 60} minutes" for pid, name, seconds in rows]
    advice = "They keep VACUUM from its work and a rebuild from flipping; end them with pg_terminate_backend(PID)."
    return Finding("transactions", not told, "; ".join(told) or "none is long", advice)


def _positions(cursor: Cursor[Any]) -> Finding:
    head, count, last = _row(cursor, "positions")
    return Finding(
        "positions",
        head == count == last,
        f"head {head:,}, {count:,} entries, the last at {last:,}",
        "Entries are missing or were added by hand: ./scripts/ledger verify names where. Restore from a backup.",
    )


def _streams(cursor: Cursor[Any]) -> Finding:
    (broken,) = _row(cursor, "broken_streams")
    advice = "./scripts/ledger verify names them. Restore from a backup."
    return Finding("streams", broken == 0, f"{broken:,} without contiguous versions", advice)


def _read_model(cursor: Cursor[Any]) -> Finding:
    (stale,) = _row(cursor, "stale_rows")
    return Finding(
        "read model",
        stale == 0,
        f"{stale:,} rows are not at the head of their stream",
        "./scripts/ledger rebuild --all --check says what differs, rebuild --all --accept mends it.",
    )


def _row(cursor: Cursor[Any], statement: str) -> tuple[Any, ...]:
    row = cursor.execute(_SQL[statement]).fetchone()
    assert row is not None
    return tuple(row)
