"""Which requests were answered before? Rows beside the ledger, written in the transaction of what they led to."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from psycopg import Connection

from domain.idempotency import KEPT_DAYS, Earlier, Kept, RequestKey
from projections.arrays import bigints, byteas, texts, uuids
from projections.statements import statements
from projections.trips import Writer

_SQL = statements("idempotency")


def recall(connection: Connection[Any], requests: Sequence[RequestKey]) -> Earlier:
    """Return what is known of these requests, and hold those that nobody else is carrying out; in one trip.

    Waits for nobody. Looks for earlier answers after taking the locks, in a later snapshot.
    """
    by_hash = {request.key_hash: request for request in requests}
    key_hashes = [*by_hash]
    locks = [int.from_bytes(key_hash[:8], "big", signed=True) for key_hash in key_hashes]
    taken = connection.execute(_SQL["take"], {"key_hashes": key_hashes, "locks": locks}, binary=True)
    wanted = {"organizations": [each.organization_id for each in by_hash.values()], "key_hashes": key_hashes}
    found = connection.execute(_SQL["find"], {**wanted, "days": KEPT_DAYS})
    under_way = {bytes(key_hash) for key_hash, free in taken.fetchall() if not free}
    return Earlier({bytes(row[1]): _kept(*row) for row in found.fetchall()}, under_way)


def _kept(
    organization_id: UUID, key_hash: bytes, body_hash: bytes, patient_id: UUID, version: int, events: int, told: Any
) -> Kept:
    request = RequestKey(str(organization_id), bytes(key_hash), bytes(body_hash))
    return Kept(request, str(patient_id), version, events, told)


def keep(writer: Writer, kept: Sequence[Kept]) -> None:
    """Store what these requests led to, within an open transaction."""
    columns = {
        "organization_id": uuids(each.request.organization_id for each in kept),
        "key_hash": byteas(each.request.key_hash for each in kept),
        "body_hash": byteas(each.request.body_hash for each in kept),
        "patient_id": uuids(each.patient_id for each in kept),
        "version": bigints(each.version for each in kept),
        "events": bigints(each.events for each in kept),
        "told": texts(orjson.dumps(each.told).decode() for each in kept),
    }
    writer.execute(_SQL["keep"], {**columns, "days": KEPT_DAYS})
