"""Do two sets of tables hold the same rows, and if not, what differs?

A fingerprint is 32 hex digits: of each row the SHA-256 of its text (`ROW(column, …)::text`, columns in order of name),
of that the first two 64-bit integers, each of them summed over the rows of the table, modulo 2^64. It depends on the
rows alone: not on their order, the number of workers or the version of PostgreSQL. A projection of several tables has
the fingerprints of its tables one after another, in order of name.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Composed, Identifier

from projections import twin_tables

SETTINGS = (
    "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'iso_8601';"
    "SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL jit = off"
)
"""What the text of a row depends on."""

EXAMPLES = 5
"""So many streams are named for each kind of difference."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

COMPARED = 10_000
"""So many changed rows of a table are compared field by field; beyond that they are only counted."""


@dataclass
class Difference:
    """How the new rows of a table differ from the live ones. `fields`: field → in how many rows it changed."""

    table: str
    added: int = 0
    removed: int = 0
    changed: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    examples: list[dict[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def fingerprint(cursor: Cursor[Any], tables: Iterable[str], schema: str = twin_tables.LIVE) -> str:
    """Return the fingerprint of these tables as the transaction sees them."""
    cursor.execute(SETTINGS)
    return "-".join(_of_table(cursor, table, schema) for table in sorted(tables))


def _of_table(cursor: Cursor[Any], table: str, schema: str) -> str:
    row = cursor.execute(
        SQL(
            "SELECT mod(coalesce(sum(('x' || substr(hash, 1, 16))::bit(64)::bigint), 0), 18446744073709551616),"
            " mod(coalesce(sum(('x' || substr(hash, 17, 16))::bit(64)::bigint), 0), 18446744073709551616)"
            " FROM (SELECT encode(sha256(convert_to({}::text, 'UTF8')), 'hex') AS hash FROM {} AS t) AS hashed"
        ).format(_row(cursor, table, "t"), Identifier(schema, table))
    ).fetchone()
    assert row is not None
    return "".join(f"{int(part) % 2**64:016x}" for part in row)


def _row(cursor: Cursor[Any], table: str, alias: str) -> Composed:
    """Return `ROW(column, …)`, the columns in order of name."""
    names = sorted(twin_tables.columns(cursor, table))
    return SQL("ROW({})").format(SQL(", ").join(Identifier(alias, name) for name in names))


def difference(cursor: Cursor[Any], table: str, stream: tuple[str, str], new_schema: str) -> Difference:
    """Return how the table in `new_schema` differs from the live one, by key and by field; no value of a row."""
    cursor.execute(SETTINGS)
    key = twin_tables.primary_key(cursor, table)
    old_row, new_row = _row(cursor, table, "old"), _row(cursor, table, "new")
    sides: Mapping[str, Composed] = {
        "on": SQL(" AND ").join(SQL("old.{0} = new.{0}").format(Identifier(name)) for name in key),
        "old": SQL("{} AS old").format(Identifier(twin_tables.LIVE, table)),
        "new": SQL("{} AS new").format(Identifier(new_schema, table)),
    }
    found = Difference(table)
    for kind in ("added", "removed"):
        _count_one_sided(cursor, found, kind, sides, stream)
    cursor.execute(
        SQL("SELECT count(*) FROM {old} JOIN {new} ON {on} WHERE {old_row}::text <> {new_row}::text").format(
            **sides, old_row=old_row, new_row=new_row
        )
    )
    found.changed = _only(cursor)
    if found.changed:
        _compare_fields(cursor, found, sides, old_row, new_row, stream)
    return found


def _count_one_sided(
    cursor: Cursor[Any], found: Difference, kind: str, sides: Mapping[str, Composed], stream: tuple[str, str]
) -> None:
    here, there = ("new", "old") if kind == "added" else ("old", "new")
    one_sided = SQL("FROM {here} WHERE NOT EXISTS (SELECT FROM {there} WHERE {on})").format(
        here=sides[here], there=sides[there], on=sides["on"]
    )
    cursor.execute(SQL("SELECT count(*) {}").format(one_sided))
    count = _only(cursor)
    setattr(found, kind, count)
    if count:
        ids = SQL(", ").join(Identifier(here, name) for name in stream)
        cursor.execute(SQL("SELECT DISTINCT {} {} ORDER BY 1, 2 LIMIT {}").format(ids, one_sided, SQL(str(EXAMPLES))))
        found.examples += [_example(kind, row) for row in cursor.fetchall()]


def _compare_fields(
    cursor: Cursor[Any],
    found: Difference,
    sides: Mapping[str, Composed],
    old_row: Composed,
    new_row: Composed,
    stream: tuple[str, str],
) -> None:
    names = sorted(twin_tables.columns(cursor, found.table))
    cursor.execute(
        SQL(
            "SELECT to_json(old), to_json(new), {ids} FROM {old} JOIN {new} ON {on}"
            " WHERE {old_row}::text <> {new_row}::text ORDER BY {ids} LIMIT {limit}"
        ).format(
            **sides,
            ids=SQL(", ").join(Identifier("new", name) for name in stream),
            old_row=old_row,
            new_row=new_row,
            limit=SQL(str(COMPARED)),
        )
    )
    fields: Counter[str] = Counter()
    for number, (old, new, *ids) in enumerate(cursor.fetchall()):
        differing = [path for name in names for path in _differing(old[name], new[name], name)]
        fields.update(differing or ["(the same values, written differently)"])
        if number < EXAMPLES:
            found.examples.append(_example("changed", ids))
    found.fields = dict(fields.most_common())


def _differing(old: Any, new: Any, path: str) -> list[str]:
    """Return the paths at which two JSON values differ; lists are compared as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        return sorted(
            {
                deeper
                for name in names
                for deeper in _differing(old.get(name), new.get(name), f"{path}.{'*' if _ID.fullmatch(name) else name}")
            }
        )
    return [] if old == new else [path]


def _example(kind: str, ids: Iterable[Any]) -> dict[str, str]:
    organization, stream = (str(each) for each in ids)
    return {"row": kind, "organization_id": organization, "stream_id": stream}


def _only(cursor: Cursor[Any]) -> int:
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])
