"""Vacuum, statistics and index builds go on under load; the latency meanwhile is printed beside that of a calm time."""

import psycopg
import pytest

from tests.api.clinic import Clinic
from tests.faults.installation import Installation
from tests.faults.senders import sending
from tests.faults.truth import check_acknowledged, check_ledger

MAINTENANCE = (
    "VACUUM (ANALYZE) ledger_events",
    "CREATE INDEX CONCURRENTLY another ON ledger_events (request_id)",
    "REINDEX INDEX CONCURRENTLY another",
    "DROP INDEX CONCURRENTLY another",
    "VACUUM (ANALYZE) patients",
    "VACUUM (ANALYZE) match_keys",
    "VACUUM (ANALYZE) ledger_head",
)


@pytest.mark.parametrize("records", [60, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_maintenance_holds_up_no_record(installation: Installation, clinic: Clinic, seed: int, records: int):
    with sending(installation.base_url, clinic, seed=seed) as calm:
        calm.await_more(records, 600)
    with (
        sending(installation.base_url, clinic, seed=seed + 1) as busy,
        psycopg.connect(installation.url, autocommit=True) as owner,
    ):
        busy.await_more(1)
        while busy.sent.acknowledged() < records:
            for statement in MAINTENANCE:
                owner.execute(statement.encode())
    calm.sent.tell("calm")
    busy.sent.tell("under maintenance")
    print(f"p99 under maintenance ÷ calm: {busy.sent.percentile(0.99) / calm.sent.percentile(0.99):.2f} (aim: ≤ 2)")
    for sent in (calm.sent, busy.sent):
        assert sent.refused() <= sent.acknowledged() / 4
        check_acknowledged(installation.url, sent)
    check_ledger(installation.url)
