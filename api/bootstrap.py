"""How are the parts put together? The only builder."""

import os
import time
from datetime import UTC, datetime
from uuid import UUID

from domain.ledger import Ledger


def new_id() -> UUID:
    """Return a UUID version 7 (RFC 9562): ids made one after another lie side by side in the indexes."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def build_ledger(database_url: str) -> Ledger:
    """Return the ledger on this database; connections are made when they are needed."""
    return Ledger(
        {"PERSISTENCE_MODULE": "projections.event_store:Factory", "DATABASE_URL": database_url},
        new_id=new_id,
        random_bytes=os.urandom,
        clock=lambda: datetime.now(UTC),
    )
