"""Who sends this request? API keys: `pl_live_<id>_<secret>`, known by their SHA-256."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from api.limits import Limits
from domain.commands import IssueApiKey
from domain.errors import LedgerError
from domain.ledger import Ledger
from projections import directory

SCOPES = ("patients:read", "patients:write", "duplicates:review", "events:read")
"""What a key may be allowed to do."""

TRUST_SECONDS = 1.0
"""For so long a worker relies on what it read of a key: a revoked key is refused everywhere after this time."""

_KEY = re.compile(r"pl_live_([a-z0-9]{12})_([A-Za-z0-9]{40})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_SECRET_ALPHABET = _ALPHABET + _ALPHABET[:26].upper()


class NotAuthenticated(LedgerError):
    """Send a valid API key in the X-API-Key header."""


class NotAllowed(LedgerError):
    """The API key lacks the scope that this needs."""


class Principal(NamedTuple):
    """Who sends a request, and what it may do."""

    organization_id: str
    key_id: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """Return the actor as events tell it."""
        return f"key:{self.key_id}"


def new_key(name: str, scopes: Iterable[str] = SCOPES) -> tuple[str, IssueApiKey]:
    """Return (the key to show once, the command that issues it)."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    secret = "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(40))
    command = IssueApiKey(
        key_id=key_id,
        name=name,
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        last_four=secret[-4:],
        scopes=tuple(scopes),
    )
    return f"pl_live_{key_id}_{secret}", command


def key_id_of(given: str) -> str:
    """Return the id in a whole key; anything else is taken for an id as it is."""
    whole = _KEY.fullmatch(given.strip())
    return whole.group(1) if whole else given


class Gate:
    """Lets keys in. What was read of a key is relied on for TRUST_SECONDS; its use is noted about once a minute."""

    def __init__(self, ledger: Ledger, limits: Limits) -> None:
        self._ledger = ledger
        self._limits = limits
        self._seen: dict[str, tuple[float, directory.StoredKey]] = {}
        self._noted: dict[str, float] = {}

    def principal(self, presented: str | None, address: str) -> Principal:
        """Return who presents this key. NotAuthenticated when it is missing, unknown, wrong, expired or revoked.

        TooManyWrongKeys when unknown and wrong ones come too often from this address; a right one that this worker has
        seen before is let in all the same.
        """
        parts = _KEY.fullmatch(presented or "")
        if parts is None:
            raise NotAuthenticated
        key_id, secret = parts.groups()
        if key_id not in self._seen:
            self._limits.look_at_keys_from(address)  # before it costs a trip to the database
        stored = self._stored(key_id)
        presented_hash = hashlib.sha256(secret.encode()).digest()
        expected = stored.secret_hash if stored is not None else bytes(32)
        if not hmac.compare_digest(presented_hash, expected) or stored is None:
            self._limits.look_at_keys_from(address, wrong=1)
            raise NotAuthenticated
        if stored.revoked_at is not None or (stored.expires_at and stored.expires_at <= datetime.now(UTC)):
            raise NotAuthenticated
        self._note_use(str(stored.organization_id), key_id)
        return Principal(str(stored.organization_id), key_id, frozenset(stored.scopes))

    def _stored(self, key_id: str) -> directory.StoredKey | None:
        now = time.monotonic()
        seen = self._seen.get(key_id)
        if seen is not None and now - seen[0] < TRUST_SECONDS:
            return seen[1]
        with self._ledger.recorder.reading() as cursor:
            stored = directory.find_key(cursor, key_id)
        if stored is None:
            self._seen.pop(key_id, None)
        else:
            self._seen[key_id] = (now, stored)
        return stored

    def _note_use(self, organization_id: str, key_id: str) -> None:
        now = time.monotonic()
        if now - self._noted.get(key_id, -60.0) < 60.0:
            return
        self._noted[key_id] = now
        with self._ledger.recorder.reading(organization_id) as cursor:
            directory.note_use(cursor, organization_id, key_id)
