"""How does a projection get a second set of tables, alike in everything but the rows?

A twin has the same name in another schema, and so the same names of indexes, constraints and policies, none of which
collide. `ALTER TABLE … SET SCHEMA` then swaps the two: what was prepared by running workers is analysed anew and finds
the table that has the name now.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Composed, Identifier, Literal

from domain.errors import LedgerError
from projections.statements import statements

_SQL = statements("twin_tables")

LIVE = "public"
BUILDING = "ledger_building"
PREVIOUS = "ledger_previous"
DISCARDED = "ledger_discarded"


_OF_INDEX = {"p": "PRIMARY KEY", "u": "UNIQUE"}
"""Constraints that an index carries."""

_NO_VACUUM = "autovacuum_enabled=off"
"""While a twin is being filled: there is nothing to clear away, and VACUUM would read it all."""


class TableInUse(LedgerError):
    """Foreign keys or views hold on to a table of a projection and would stay with the old one."""


class TwinDiffers(LedgerError):
    """The new table is not like the old one, so they were not swapped."""


def columns(cursor: Cursor[Any], table: str, schema: str = LIVE) -> dict[str, str]:
    """Return column → type, in order."""
    return dict(_rows(cursor, "columns", schema, table))


def written_columns(cursor: Cursor[Any], table: str, schema: str = LIVE) -> list[str]:
    """Return the columns that are not generated from others, in order."""
    return [row[0] for row in _rows(cursor, "written_columns", schema, table)]


def primary_key(cursor: Cursor[Any], table: str, schema: str = LIVE) -> tuple[str, ...]:
    """Return the columns of the primary key, in order."""
    return tuple(_rows(cursor, "primary_key", schema, table)[0][0])


def tables_of(cursor: Cursor[Any], schema: str) -> list[str]:
    """Return the names of the tables in this schema."""
    return [row[0] for row in cursor.execute(_SQL["tables_of"], {"schema": schema}).fetchall()]


def create(cursor: Cursor[Any], table: str, schema: str) -> None:
    """Create an empty twin without indexes, for rows to be copied into. TableInUse when something depends on it."""
    dependents = [row[0] for row in _rows(cursor, "dependents", LIVE, table)]
    if dependents:
        raise TableInUse(table=table, dependents=dependents)
    twin, live = Identifier(schema, table), Identifier(LIVE, table)
    cursor.execute(SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)").format(twin, live))
    owner, secured, forced, options, comment = _rows(cursor, "settings", LIVE, table)[0]
    _set(cursor, twin, [*options, _NO_VACUUM])
    cursor.execute(SQL("COMMENT ON TABLE {} IS {}").format(twin, Literal(comment)))
    for policy in _rows(cursor, "policies", LIVE, table):
        cursor.execute(_policy(twin, *policy))
    if secured:
        cursor.execute(SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(twin))
    if forced:
        cursor.execute(SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(twin))
    cursor.execute(SQL("ALTER TABLE {} OWNER TO {}").format(twin, Identifier(owner)))
    for grantee, privilege, grantable, column in _rows(cursor, "grants", LIVE, table):
        cursor.execute(
            SQL("GRANT {}{} ON {} TO {}{}").format(
                SQL(privilege),
                SQL("") if column is None else SQL(" ({})").format(Identifier(column)),
                twin,
                SQL("PUBLIC") if grantee is None else Identifier(grantee),
                SQL(" WITH GRANT OPTION" if grantable else ""),
            )
        )


def indexes(cursor: Cursor[Any], tables: Iterable[str], schema: str) -> list[tuple[str, SQL]]:
    """Return (table, what gives its twin an index) for each of the live tables' indexes, the largest of those first.

    They can be carried out in any order, and at the same time.
    """
    found = [
        (size, table, _moved(definition, table, schema))
        for table in tables
        for definition, size in _rows(cursor, "index_definitions", LIVE, table)
    ]
    return [(table, statement) for _, table, statement in sorted(found, key=itemgetter(0), reverse=True)]


def complete(cursor: Cursor[Any], table: str, schema: str) -> None:
    """Give the twin, which has its indexes, the constraints and triggers of the live table."""
    twin = Identifier(schema, table)
    for name, _, constraint, kind, _, comment in _rows(cursor, "indexes", LIVE, table):
        if constraint is not None:
            added = SQL("ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {}")
            cursor.execute(added.format(twin, Identifier(constraint), SQL(_OF_INDEX[kind]), Identifier(name)))
        if comment is not None:
            cursor.execute(SQL("COMMENT ON INDEX {} IS {}").format(Identifier(schema, name), Literal(comment)))
    for name, kind, definition in _rows(cursor, "constraints", LIVE, table):
        if kind == "f":
            cursor.execute(SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(twin, Identifier(name), SQL(definition)))
    for _, definition in _rows(cursor, "triggers", LIVE, table):
        cursor.execute(_moved(definition, table, schema))
    cursor.execute(SQL("ALTER TABLE {} RESET (autovacuum_enabled)").format(twin))
    _set(cursor, twin, _rows(cursor, "settings", LIVE, table)[0][3])


def analyze(cursor: Cursor[Any], table: str, schema: str) -> None:
    """Have PostgreSQL know the twin as it knows the live table, before anybody asks it for a plan."""
    cursor.execute(SQL("ANALYZE {}").format(Identifier(schema, table)))


def description(cursor: Cursor[Any], table: str, schema: str) -> dict[str, Any]:
    """Return all that must be alike: columns, settings, policies, grants, indexes, constraints, triggers."""
    here = f" ON {schema}.{table} "
    told: dict[str, Any] = {}
    for part in ("column_details", "settings", "policies", "grants", "indexes", "constraints", "triggers"):
        rows = _rows(cursor, part, schema, table)
        told[part] = [[each.replace(here, " ON ") if isinstance(each, str) else each for each in row] for row in rows]
    return told


def check_alike(cursor: Cursor[Any], tables: Sequence[str], schema: str) -> None:
    """Raise TwinDiffers unless each of these tables in `schema` is like the live one."""
    for table in tables:
        ours, theirs = description(cursor, table, LIVE), description(cursor, table, schema)
        if ours != theirs:
            raise TwinDiffers(table=table, parts=[part for part in ours if ours[part] != theirs[part]])


def swap(cursor: Cursor[Any], tables: Sequence[str], incoming: str) -> Composed:
    """Return what puts the tables of `incoming` in the place of the live ones, which become the previous ones.

    One script for one trip: whoever carries it out holds the locks. What was previous is moved to `DISCARDED`.
    """
    there = set(tables_of(cursor, PREVIOUS)) if incoming == BUILDING else set()
    steps: list[Composed] = []
    for table in tables:
        if incoming == PREVIOUS:
            steps.append(_move(table, PREVIOUS, BUILDING))
        elif table in there:
            steps.append(_move(table, PREVIOUS, DISCARDED))
        steps += [_move(table, LIVE, PREVIOUS), _move(table, BUILDING, LIVE)]
    return SQL(";").join(steps)


def drop_all(cursor: Cursor[Any], schema: str) -> None:
    """Drop every table in this schema."""
    for table in tables_of(cursor, schema):
        cursor.execute(SQL("DROP TABLE {} CASCADE").format(Identifier(schema, table)))


def _move(table: str, schema: str, to: str) -> Composed:
    return SQL("ALTER TABLE {} SET SCHEMA {}").format(Identifier(schema, table), Identifier(to))


def _set(cursor: Cursor[Any], twin: Identifier, options: Iterable[str]) -> None:
    for option in options:
        name, _, value = option.partition("=")
        cursor.execute(SQL("ALTER TABLE {} SET ({} = {})").format(twin, SQL(name), Literal(value)))


def _moved(definition: str, table: str, schema: str) -> SQL:
    """Return the statement that makes an index or a trigger, for the twin. PostgreSQL writes the schema into it."""
    here, there = f" ON {LIVE}.{table} ", f" ON {schema}.{table} "
    assert definition.count(here) == 1, definition
    return SQL(definition.replace(here, there))


def _policy(
    twin: Identifier,
    name: str,
    permissive: bool,
    command: str,
    roles: list[str | None],
    using: str | None,
    check: str | None,
) -> Composed:
    commands = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
    return SQL("CREATE POLICY {} ON {} AS {} FOR {} TO {}{}{}").format(
        Identifier(name),
        twin,
        SQL("PERMISSIVE" if permissive else "RESTRICTIVE"),
        SQL(commands[command]),
        SQL(", ").join(SQL("PUBLIC") if role is None else Identifier(role) for role in roles),
        SQL("") if using is None else SQL(" USING ({})").format(SQL(using)),
        SQL("") if check is None else SQL(" WITH CHECK ({})").format(SQL(check)),
    )


def _rows(cursor: Cursor[Any], statement: str, schema: str, table: str) -> list[tuple[Any, ...]]:
    found = cursor.execute(_SQL[statement], {"table": f"{schema}.{table}"}).fetchall()
    return [tuple(row) for row in found]
