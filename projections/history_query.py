"""Which entries of a stream does a filtered page of its history hold?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from domain.entry import Entry, StoredEntry, decode
from domain.events import FirstCommunicationRecorded
from domain.ledger import Ledger
from domain.organization import Organization
from domain.store import END
from projections.history import tell, tell_entry
from projections.statements import statements
from projections.wording import PLAIN, Display

_SQL = statements("history")

CHUNK = 200
"""So many rows are read at a time while a filter looks for its page."""

PAGE = 500
"""So many entries are at hand at a time while all of them are read."""

NEIGHBOURS = 300
"""So far around an entry, in positions, are other entries of its request looked for."""


@dataclass(frozen=True)
class Filter:
    """What a page is limited to; what is empty limits nothing. `since` ≤ recorded < `until`.

    text is looked for in the sentences as `display` shows them, so that nobody finds what they may not see.
    """

    kinds: tuple[str, ...] = ()
    event: str | None = None
    field: str | None = None
    item: str | None = None
    source: str | None = None
    actor: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    display: Display = PLAIN
    organization: Organization | None = None

    def admits_row(self, row: StoredEntry) -> bool:
        """Return whether the columns of the row fit; what the payload says is for `admits`."""
        assert row.recorded_at is not None
        return (
            self.event in (None, row.topic)
            and self.source in (None, row.source)
            and self.actor in (None, row.actor)
            and self.request_id in (None, row.request_id)
            and (self.until is None or row.recorded_at < self.until)
        )

    def admits(self, entry: Entry) -> bool:
        """Return whether what the entry tells fits."""
        if not (self.kinds or self.field or self.text):
            return True
        told = tell_entry(entry, self.organization) if self.text else tell(entry.event)
        return (
            (not self.kinds or told.kind in self.kinds)
            and (self.field is None or told.concerns(self.field, self.item))
            and (not self.text or self.text.casefold() in told.say(self.display).casefold())
        )


def history_page(
    ledger: Ledger,
    organization_id: str,
    stream_id: str,
    wanted: Filter,
    before: int | None,
    limit: int,
    *,
    most_read: int = END,
    whole_requests: bool = False,
) -> tuple[list[Entry] | None, int | None]:
    """Return (entries newest first, cursor of the next page); no entries at all: `None` for an unknown stream.

    `before` is the version that the page ends before. Entries appended meanwhile move nothing. After `most_read` rows
    the page ends even if it is not full. `whole_requests`: a page does not end within a request (up to twice `limit`).
    """
    if stream_id == organization_id:
        return None, None  # the organization's own stream is no patient
    page: list[Entry] = []
    seen = 0
    with ledger.recorder.reading(organization_id) as cursor:
        for row in _backwards(ledger, cursor, organization_id, stream_id, before, limit):
            assert row.recorded_at is not None
            if seen == most_read:
                return page, row.originator_version + 1
            seen += 1
            if wanted.since is not None and row.recorded_at < wanted.since:
                return page, None
            if not wanted.admits_row(row):
                continue
            entry = ledger.mapper.to_domain_event(row)
            if not wanted.admits(entry):
                continue
            goes_on = whole_requests and len(page) < 2 * limit and page and page[-1].request_id == entry.request_id
            if len(page) >= limit and not goes_on:
                return page, page[-1].originator_version
            page.append(entry)
    return (page if seen or before is not None else None), None


def all_entries(ledger: Ledger, organization_id: str, stream_id: str, wanted: Filter, up_to: int) -> Iterator[Entry]:
    """Yield every entry that the filter admits, newest first, up to a version; a page of them is held at a time."""
    before: int | None = up_to + 1
    while before is not None:
        entries, before = history_page(ledger, organization_id, stream_id, wanted, before, PAGE)
        yield from entries or []


def _backwards(
    ledger: Ledger, cursor: Any, organization_id: str, stream_id: str, before: int | None, limit: int
) -> Iterator[StoredEntry]:
    """Yield rows newest first, a chunk at a time."""
    up_to = END if before is None else before - 1
    size = max(CHUNK, limit + 1)
    while up_to > 0:
        rows = ledger.recorder.select_stream(
            cursor, organization_id, stream_id, up_to=up_to, limit=size, newest_first=True
        )
        yield from rows
        up_to = rows[-1].originator_version - 1 if len(rows) == size else 0


def first_communication(cursor: Cursor[Any], organization_id: str, stream_id: str) -> FirstCommunicationRecorded | None:
    """Return what locked the phone, if anything."""
    keys = {"organization": organization_id, "stream": stream_id, "topic": FirstCommunicationRecorded.__name__}
    row = cursor.execute(_SQL["first_of_topic"], keys).fetchone()
    event = None if row is None else decode(row[0], row[1], row[2] or b"")
    return event if isinstance(event, FirstCommunicationRecorded) else None


def entry_row(ledger: Ledger, organization_id: str, stream_id: str, version: int) -> StoredEntry | None:
    """Return one row of a stream, hashes and all."""
    with ledger.recorder.reading(organization_id) as cursor:
        rows = ledger.recorder.select_stream(cursor, organization_id, stream_id, after=version - 1, up_to=version)
    return rows[0] if rows else None


def others_of_request(cursor: Cursor[Any], organization_id: str, entry: Entry) -> list[str]:
    """Return the other streams of the organization that the request of this entry wrote to, near it in the ledger."""
    span = {"first": entry.position - NEIGHBOURS, "last": entry.position + NEIGHBOURS}
    keys = {"organization": organization_id, "stream": entry.originator_id, "request_id": entry.request_id}
    return [str(row[0]) for row in cursor.execute(_SQL["others_of_request"], {**keys, **span})]
