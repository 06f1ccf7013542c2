"""Where is the SQL? In `sql/*.sql`, one named statement after another: `-- name --`, a reason, the statement."""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"
_HEADING = re.compile(r"^-- ([a-z_]+) --$", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, bytes]:
    """Return name → statement of `sql/FILE.sql`, comments included, as bytes that psycopg takes as they are."""
    parts = _HEADING.split((_FOLDER / f"{file}.sql").read_text("utf-8"))
    return {name: text.strip().rstrip(";").encode() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
