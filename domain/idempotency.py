"""Was this request answered before? What a request with a key of its sender's choice leaves behind.

No answer is kept, and no value of a patient: what is kept says which entries the first request led to, and the ledger
tells them again. The key and the body are known by their hashes only.
"""

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from domain.dropped import Dropped
from domain.entry import canonical
from domain.errors import LedgerError
from domain.matching import RULE_VERSION, Match, NoMatch, Rival
from domain.upsert import told_rival

KEPT_DAYS = 30
"""For so long a request is answered as it was the first time."""


class RequestUnderWay(LedgerError):
    """The first request with this Idempotency-Key is still under way; ask again in a moment."""


class KeyUsedBefore(LedgerError):
    """This Idempotency-Key belongs to a request with another body; take a new key for a new request."""


@dataclass(frozen=True)
class RequestKey:
    """One request, as its sender names it. Both hashes are SHA-256."""

    organization_id: str
    key_hash: bytes
    body_hash: bytes


@dataclass(frozen=True)
class Kept:
    """What the first request left. version: of the patient after it. events: how many it appended.

    told: what the ledger cannot tell again: how the patient was found, what was dropped, the request's id.
    """

    request: RequestKey
    patient_id: str
    version: int
    events: int
    told: Mapping[str, Any]

    @property
    def outcome(self) -> Match | NoMatch:
        """Return how the patient was found."""
        told = self.told["match"]
        rivals = tuple(
            Rival(each["patient_id"], each["tier"], each["reason"], each["evidence"], flag=False)
            for each in told["rivals"]
        )
        if told["tier"] is None:
            return NoMatch(rivals)
        return Match(self.patient_id, told["tier"], told["evidence"], rivals)

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """Return what was dropped, without what was offered."""
        return tuple(Dropped(field, reason) for field, reason in self.told["dropped"])


def request_key(organization_id: str, actor: str, key: str, body: Mapping[str, Any]) -> RequestKey:
    """Return the name of a request: its key belongs to the actor, its body is compared as canonical JSON."""
    return RequestKey(
        organization_id=organization_id,
        key_hash=hashlib.sha256(f"{actor}\x00{key}".encode()).digest(),
        body_hash=hashlib.sha256(key.encode() + b"\x00" + canonical(body)).digest(),
    )


def tell(outcome: Match | NoMatch, dropped: Sequence[Dropped], request_id: str) -> dict[str, Any]:
    """Return what is kept besides the place in the ledger: words and ids, JSON-native."""
    match = {
        "tier": outcome.tier if isinstance(outcome, Match) else None,
        "evidence": dict(outcome.evidence) if isinstance(outcome, Match) else {},
        "rivals": [told_rival(rival) for rival in outcome.rivals],
    }
    drops = [[drop.field, drop.reason] for drop in dropped]
    return {"match": match, "rule_version": RULE_VERSION, "dropped": drops, "request_id": request_id}


class Named(Protocol):
    """Something that was asked for, perhaps under a key."""

    @property
    def request(self) -> RequestKey | None:
        """Return the name of the request."""


Asked = TypeVar("Asked", bound=Named)


class Earlier:
    """What is known of the requests of one list. The second of two alike in the list finds the first under way."""

    def __init__(self, kept: Mapping[bytes, Kept], under_way: Set[bytes]) -> None:
        self._kept = kept
        self._under_way = {*under_way}

    def answer(self, asked: Asked) -> Asked | Kept | LedgerError:
        """Return what is to be told again, an error, or what was asked: then it is to be carried out now."""
        request = asked.request
        if request is None:
            return asked
        if request.key_hash in self._under_way:
            return RequestUnderWay()
        kept = self._kept.get(request.key_hash)
        if kept is None:
            self._under_way.add(request.key_hash)
            return asked
        return kept if kept.request.body_hash == request.body_hash else KeyUsedBefore()
