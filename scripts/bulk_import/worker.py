"""Who places a list of records? A process of its own, told line by line on its standard input.

Each line is a JSON list of [line of the file, record]; the answer is a list of what became of each, in order. It ends
with whoever started it.
"""

import gc
import signal
import sys
import time
from typing import Any

import orjson

from api.bootstrap import build_ledger
from domain.errors import LedgerError, LedgerUnavailable
from domain.ledger import Ledger
from domain.matching import Match
from domain.receipt import Caller, Receipt, Upsert
from domain.record import read_record
from projections.crew import GARBAGE_THRESHOLD
from projections.orphans import end_with
from scripts.bulk_import.rows import rule_of

PATIENCE_SECONDS = 60
"""So long a list is tried again while the database is away. Placing a record twice changes nothing."""


def main() -> None:
    """Place what standard input says, list by list."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us
    told = orjson.loads(sys.stdin.buffer.readline())
    end_with(told["for"])
    gc.set_threshold(GARBAGE_THRESHOLD)
    with build_ledger(told["url"]) as ledger:
        for line in sys.stdin.buffer:
            sys.stdout.buffer.write(orjson.dumps(_place(ledger, told, orjson.loads(line))) + b"\n")
            sys.stdout.buffer.flush()


def _place(ledger: Ledger, told: dict[str, Any], rows: list[Any]) -> list[dict[str, Any]] | dict[str, str]:
    """Return what became of each record, or why the database could not be reached."""
    upserts = []
    for line, body in rows:
        record, received = read_record(body)
        request_id = f"{told['request_prefix']}.{line}"
        caller = Caller(told["organization_id"], told["actor"], request_id, source="bulk_import")
        upserts.append(Upsert(record, caller, received))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            results = ledger.upsert_many(upserts, dry_run=told["dry_run"])
        except LedgerUnavailable as error:
            away = error
        else:
            refused = [each for each in results if isinstance(each, LedgerUnavailable)]
            if not refused:
                return [_told(each) for each in results]
            away = refused[0]
        if time.monotonic() > deadline:
            return {"unavailable": str(away.details.get("cause", type(away).__name__))}
        time.sleep(0.5)


def _told(result: Receipt | LedgerError) -> dict[str, Any]:
    """Return what became of one record: names and rules, no value of it."""
    dropped = result.dropped if isinstance(result, Receipt) else result.details.get("dropped", ())
    drops = [[drop.field, drop.reason] for drop in dropped]
    if isinstance(result, LedgerError):
        return {"problem": rule_of(result), "dropped": drops}
    tier = result.outcome.tier if isinstance(result.outcome, Match) else None
    return {"tier": tier, "events": len(result.events), "dropped": drops}


if __name__ == "__main__":
    main()
