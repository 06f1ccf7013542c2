"""When was the whole ledger last checked against its proofs, and found as it was written?"""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Cursor

from projections.statements import statements

_SQL = statements("history")


class Verified(NamedTuple):
    """When `verify` last passed, and up to which position of the ledger."""

    at: datetime
    position: int


def last_verified(cursor: Cursor[Any]) -> Verified | None:
    """Return when `verify` last passed; `None` when it never did, or the last one found something."""
    row = cursor.execute(_SQL["last_verified"]).fetchone()
    return None if row is None or not row[0] else Verified(row[1], row[2])
