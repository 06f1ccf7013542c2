"""Whose stream is this? The verbs name a patient by its id alone; the organization is looked up."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import typer
from psycopg.rows import scalar_row

from api.bootstrap import build_ledger
from domain.errors import UnknownPatient
from domain.ledger import Ledger
from projections.migrations import migrate
from scripts.verbs.connection import database_url

_ORGANIZATION_OF = """
SELECT organizations.id::text FROM organizations
WHERE id <> %(stream)s AND EXISTS (
    SELECT FROM ledger_events
    WHERE organization_id = organizations.id AND originator_id = %(stream)s AND originator_version = 1)
"""


def canonical(patient: str, hint: str = "PATIENT") -> str:
    """Return a patient's id as the ledger has it."""
    try:
        return str(UUID(patient))
    except ValueError:
        raise typer.BadParameter("a patient's id is a UUID", param_hint=hint) from None


@contextmanager
def ledger_of(patient: str) -> Iterator[tuple[Ledger, str, str]]:
    """Yield (the ledger, the organization's id, the patient's canonical id). UnknownPatient when there is none."""
    stream = canonical(patient)
    with database_url() as url:
        migrate(url)
        with psycopg.connect(url, row_factory=scalar_row) as owner:
            organization_id = owner.execute(_ORGANIZATION_OF, {"stream": stream}).fetchone()
        if organization_id is None:
            raise UnknownPatient
        with build_ledger(url) as opened:
            yield opened, organization_id, stream
