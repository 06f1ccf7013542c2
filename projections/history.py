"""What happened, in words? Entry → what the History shows: kind, fields, old and new, one plain sentence. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.entry import Entry, instant
from domain.events import Event, FirstCommunicationRecorded
from domain.organization import Organization
from projections import organization_sentences, sentences
from projections.told import KINDS, Change, Teller, Told
from projections.wording import who

__all__ = ["KINDS", "SENTENCES", "Change", "Teller", "Told", "history_item", "tell", "tell_entry"]

SENTENCES: Mapping[type[Event], Callable[[Any, Teller], Told]] = {
    **sentences.SENTENCES,
    **organization_sentences.SENTENCES,
}
"""Event → its sentence. There is no fallback: an event without a sentence is a wrong program."""

_NOBODY = Teller()


def tell(event: Event, teller: Teller = _NOBODY) -> Told:
    """Return kind, sentence and changes of an event."""
    return SENTENCES[type(event)](event, teller)


def tell_entry(
    entry: Entry, organization: Organization | None = None, lock: FirstCommunicationRecorded | None = None
) -> Told:
    """Return kind, sentence and changes of an entry; the sentence names who sent the record."""
    return tell(entry.event, Teller(organization, who(entry.actor, organization), lock))


def history_item(
    entry: Entry, organization: Organization | None = None, lock: FirstCommunicationRecorded | None = None
) -> dict[str, Any]:
    """Return an entry as the History's JSON shows it."""
    told = tell_entry(entry, organization, lock)
    return {
        "version": entry.originator_version,
        "position": entry.position,
        "event": entry.topic,
        "kind": told.kind,
        "sentence": told.sentence,
        "changes": [{"field": each.field, "old": each.old, "new": each.new} for each in told.changes],
        "recorded_at": instant(entry.recorded_at),
        "source": entry.source,
        "actor": entry.actor,
        "request_id": entry.request_id,
        "data": vars(entry.event),
    }
