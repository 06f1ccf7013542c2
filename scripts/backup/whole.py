"""Is this ledger whole, and is it the one that was backed up?

Everything that `./scripts/ledger verify` checks, and beyond it that every row of every table is what it was.
"""

from typing import Any

import psycopg
from psycopg import Cursor

from domain.signed_note import VerifierKey
from projections.checkpoint_folder import CheckpointFolder
from projections.fingerprint import fingerprint
from projections.inline import PROJECTIONS
from projections.rebuild import rebuild
from projections.twin_tables import tables_of
from projections.verdict import Verdict
from projections.verify import verify

LEFT_OUT = ("staff_sessions", "staff_links")
"""Tables whose rows are not backed up: who was signed out since then must not be signed in by a restore."""

LIVE = "public"

_ROLES = """
SELECT DISTINCT rolname FROM pg_roles JOIN (
    SELECT (aclexplode(relacl)).grantee AS id, relnamespace AS place FROM pg_class
    UNION SELECT (aclexplode(attacl)).grantee, relnamespace FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    UNION SELECT (aclexplode(proacl)).grantee, pronamespace FROM pg_proc
    UNION SELECT (aclexplode(nspacl)).grantee, oid FROM pg_namespace
    UNION SELECT unnest(polroles), relnamespace FROM pg_policy JOIN pg_class c ON c.oid = polrelid
) AS granted ON pg_roles.oid = granted.id
WHERE place IN (SELECT oid FROM pg_namespace WHERE nspname = 'public' OR nspname LIKE 'ledger%')
  AND rolname <> current_user AND rolname NOT LIKE 'pg\\_%'
ORDER BY 1
"""


def fingerprints(cursor: Cursor[Any]) -> dict[str, str]:
    """Return table → fingerprint of its rows as this transaction sees them; of all that are backed up."""
    return {table: fingerprint(cursor, [table]) for table in tables_of(cursor, LIVE) if table not in LEFT_OUT}


def roles(cursor: Cursor[Any]) -> list[str]:
    """Return the roles that something of the ledger is granted to; they belong to the server and are in no dump."""
    return [role for (role,) in cursor.execute(_ROLES).fetchall()]


def differing(url: str, expected: dict[str, str]) -> list[str]:
    """Return the tables whose rows are not those that were backed up."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        found = fingerprints(cursor)
    return sorted(table for table in expected.keys() | found.keys() if expected.get(table) != found.get(table))


def check(url: str, key: VerifierKey | None, checkpoints: CheckpointFolder) -> Verdict:
    """Return what `verify` finds, the read model included: of a migrated database, as its owner."""
    verdict = verify(url, key, checkpoints)
    if verdict.passed:
        report = rebuild(url, tuple(PROJECTIONS), check=True)
        for each in report.differences:
            detail = f"{each.table}: {each.added} missing, {each.removed} too many, {each.changed} changed"
            verdict.find("read model differs", report.position, detail)
        for poison in report.parked:
            verdict.find("read model differs", poison.position, f"set aside: {poison.reason}", poison.stream_id)
    return verdict
