"""A follower for tests: it counts entries by topic, and remembers each position it has handled."""

from collections.abc import Sequence
from typing import Any, ClassVar

import psycopg
from psycopg import Cursor

from domain.entry import StoredEntry
from projections.follow import Follower

TABLES = """
CREATE TABLE tally (topic text PRIMARY KEY, entries bigint NOT NULL);
CREATE TABLE tally_seen (position bigint PRIMARY KEY, stream uuid NOT NULL);
GRANT SELECT, INSERT, UPDATE ON tally, tally_seen TO ledger_follower;
"""


class Tally(Follower):
    """Handling an entry twice is an error: positions are unique."""

    name: ClassVar[str] = "tally"
    batch: ClassVar[int] = 7

    def handle(self, cursor: Cursor[Any], entries: Sequence[StoredEntry]) -> None:
        """Count the entries."""
        for entry in entries:
            cursor.execute("INSERT INTO tally_seen VALUES (%s, %s)", (entry.position, entry.originator_id))
            cursor.execute(
                "INSERT INTO tally VALUES (%s, 1) ON CONFLICT (topic) DO UPDATE SET entries = tally.entries + 1",
                (entry.topic,),
            )


def make_tables(url: str) -> None:
    """Create what the follower writes to."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(TABLES.encode())


def tallied(url: str) -> tuple[dict[str, int], list[int]]:
    """Return what the follower has counted, and the positions it has handled, in order."""
    with psycopg.connect(url) as owner:
        counts: dict[str, int] = dict(owner.execute("SELECT topic, entries FROM tally").fetchall())
        seen = [row[0] for row in owner.execute("SELECT position FROM tally_seen ORDER BY position")]
    return counts, seen


def expected(url: str) -> tuple[dict[str, int], list[int]]:
    """Return what it should have counted and handled by now."""
    with psycopg.connect(url) as owner:
        by_topic = owner.execute("SELECT topic, count(*) FROM ledger_events GROUP BY topic").fetchall()
        head = owner.execute("SELECT position FROM ledger_head").fetchone()
    assert head is not None
    return dict(by_topic), list(range(1, head[0] + 1))
