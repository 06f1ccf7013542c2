"""A rebuild gives what is live, byte for byte, from whatever batches and workers, and takes its place unnoticed."""

import json
from typing import Any
from uuid import UUID

import psycopg
import pytest

from projections import rebuild as rebuilding
from projections import twin_tables
from projections.inline import PROJECTIONS
from projections.rebuild import drop_previous, rebuild, rollback
from tests.projections.histories import an_organization, live, opened, upserts

ALL = list(PROJECTIONS)
TABLES = [table.name for projection in PROJECTIONS.values() for table in projection.tables]


def contents(url: str, schema: str = "public") -> dict[str, list[Any]]:
    with psycopg.connect(url) as owner:
        return {
            table: owner.execute(f"SELECT t::text FROM {schema}.{table} AS t ORDER BY 1").fetchall()
            for table in TABLES
        }


@pytest.fixture
def ledger_url(database_url: str) -> str:
    with opened(database_url) as ledger:
        for seed in (1, 2):
            live(ledger, an_organization(ledger), 120, seed=seed)
    return database_url


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_rebuilt_is_what_was_live(ledger_url, workers):
    before = contents(ledger_url)
    report = rebuild(ledger_url, ALL, workers=workers)
    assert report.flipped
    assert report.equal
    assert contents(ledger_url) == before
    assert contents(ledger_url, "ledger_previous") == before
