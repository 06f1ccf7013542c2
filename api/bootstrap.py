"""How are the parts put together? The only builder."""

import os
import time
from collections.abc import Callable
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


def build_ledger(database_url: str, note: Callable[[str, float], None] = lambda _name, _amount: None) -> Ledger:
    """Return the ledger on this database; connections are made when they are needed.

    note: is told how long the steps of a transaction took and what was tried again.
    """
    return Ledger(
        {"PERSISTENCE_MODULE": "projections.event_store:Factory", "DATABASE_URL": database_url},
        new_id=new_id,
        random_bytes=os.urandom,
        clock=lambda: datetime.now(UTC),
        note=note,
        give_way=os.sched_yield,  # not `time.sleep(0)`, which waits 60 µs and more for a timer of the kernel
    )
