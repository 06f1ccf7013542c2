"""Up to which line has a file landed? Kept in the database, so that a restored backup knows what it lacks."""

from typing import Any

from psycopg import Cursor

from projections.statements import statements

_SQL = statements("imports")


def landed(cursor: Cursor[Any], organization_id: str, file_sha256: bytes) -> int:
    """Return the line up to which every row has been placed or rejected; 0 before the first."""
    row = cursor.execute(_SQL["landed"], {"organization": organization_id, "file": file_sha256}).fetchone()
    return 0 if row is None else int(row[0])


def note(cursor: Cursor[Any], organization_id: str, file_sha256: bytes, line: int) -> None:
    """Note that every row up to this line has been placed or rejected."""
    cursor.execute(_SQL["note"], {"organization": organization_id, "file": file_sha256, "line": line})
