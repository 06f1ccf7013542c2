"""Which entries of a stream does a filtered page of its history hold?"""

from dataclasses import dataclass

from domain.entry import Entry
from domain.ledger import Ledger
from domain.store import END
from projections.history import tell

CHUNK = 200
"""So many rows are read at a time while a filter looks for its page."""


@dataclass(frozen=True)
class Filter:
    """What a page is limited to; `None` limits nothing."""

    kind: str | None = None
    event: str | None = None
    field: str | None = None
    source: str | None = None

    def admits(self, entry: Entry) -> bool:
        """Return whether the entry belongs on the page."""
        if self.event not in (None, entry.topic) or self.source not in (None, entry.source):
            return False
        told = tell(entry.event)
        return self.kind in (None, told.kind) and (self.field is None or told.concerns(self.field))


def history_page(
    ledger: Ledger, organization_id: str, stream_id: str, wanted: Filter, before: int | None, limit: int
) -> tuple[list[Entry] | None, int | None]:
    """Return (entries newest first, cursor of the next page); no entries at all: `None` for an unknown stream.

    `before` is the version that the page ends before. Entries appended meanwhile move nothing.
    """
    up_to = END if before is None else before - 1
    page: list[Entry] = []
    seen_any = False
    if stream_id == organization_id:
        return None, None  # the organization's own stream is no patient
    with ledger.recorder.reading(organization_id) as cursor:
        while True:
            rows = ledger.recorder.select_stream(
                cursor,
                organization_id,
                stream_id,
                up_to=up_to,
                limit=max(CHUNK, limit + 1),
                newest_first=True,
            )
            seen_any = seen_any or bool(rows)
            for row in rows:
                entry = ledger.mapper.to_domain_event(row)
                if wanted.admits(entry):
                    if len(page) == limit:
                        return page, page[-1].originator_version
                    page.append(entry)
                up_to = entry.originator_version - 1
            if not rows or up_to <= 0:
                return (page if seen_any else None), None
