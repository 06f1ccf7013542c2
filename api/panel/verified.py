"""When was the whole ledger last checked against its proofs, and found as it was written?"""

from datetime import datetime
from typing import Any

from psycopg import Cursor

from projections.statements import statements

_SQL = statements("history")


def last_verified(cursor: Cursor[Any]) -> datetime | None:
    """Return when `verify` last passed; `None` when it never did, or the last one found something."""
    row = cursor.execute(_SQL["last_verified"]).fetchone()
    return None if row is None or not row[0] else row[1]
