"""The whole card: every set that can be had, by the service path, with the naive cascade beside it."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.bootstrap import build_ledger
from domain.ledger import Ledger
from domain.matching import RULE_VERSION
from projections.migrations import migrate
from scripts.embedded import EmbeddedPostgres
from scripts.embedded.configuration import FOR_TESTS
from scripts.scorecard import generated, labelled
from scripts.scorecard.measure import Score, agreement, links, score
from scripts.scorecard.placing import Placing, place, place_naively, tiers_of
from scripts.scorecard.sets import LabelledSet, Unavailable, shuffled

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Where labelled files lie that no package carries."""

SEED = 20_151

SetOf = Callable[[], LabelledSet]


def all_sets(folder: Path) -> Sequence[SetOf]:
    """Return every set, in the order of the card."""
    made = (generated.twins, generated.placeholders, generated.families, generated.shuffles)
    return (*labelled.sets(folder), *made)


@contextmanager
def temporary_ledger() -> Iterator[Ledger]:
    """Yield a ledger on a PostgreSQL of its own, which is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="ledger-scorecard-") as folder,
        EmbeddedPostgres(Path(folder), "scorecard", alone=True, settings=FOR_TESTS) as server,
    ):
        url = server.database("ledger")
        migrate(url)
        with build_ledger(url) as ledger:
            yield ledger


def run(ledger: Ledger, sets: Sequence[SetOf], only: str = "") -> dict[str, Any]:
    """Return the card: each set (with `only` in its name) with its figures and what of the expected does not hold."""
    card: list[dict[str, Any]] = []
    skipped: list[str] = []
    for read in sets:
        try:
            chosen = read()
        except Unavailable as reason:
            skipped.append(str(reason))
            continue
        if only.casefold() not in chosen.name.casefold():
            continue
        card.append(shuffle(ledger, chosen) if chosen.shuffles else judge(ledger, chosen))
    return {
        "rule_version": RULE_VERSION,
        "holds": not any(each["falls_short"] for each in card),
        "sets": card,
        "skipped": skipped,
    }


def judge(ledger: Ledger, chosen: LabelledSet) -> dict[str, Any]:
    """Return the figures of one set."""
    records = list(chosen.records) if chosen.pairs is not None else shuffled(chosen.records, SEED)
    people = [each.person for each in records]
    begun = time.perf_counter()
    placing = place(ledger, records, chosen.region)
    seconds = time.perf_counter() - begun
    ours = score(people, placing, chosen.pairs)
    theirs = place_naively(records, chosen.region, datetime.now(UTC).date())
    return {
        "set": chosen.name,
        "source": chosen.source,
        **_told(ours, placing),
        "expected": {name: value for name, value in asdict(chosen.expected).items() if value is not None},
        "falls_short": ours.falls_short(chosen.expected),
        "records_per_s": round(len(records) / seconds, 1),
        "naive": _told(score(people, theirs, chosen.pairs), theirs),
    }


def _told(figures: Score, placing: Placing) -> dict[str, Any]:
    return {**figures.told(), "matched_by_tier": tiers_of(placing)}


def shuffle(ledger: Ledger, chosen: LabelledSet) -> dict[str, Any]:
    """Return how far the partition depends on the order of the records."""
    numbered = [each._replace(person=f"{place} {each.person}") for place, each in enumerate(chosen.records)]
    partitions = []
    for seed in range(chosen.shuffles):
        order = shuffled(numbered, seed)
        placing = place(ledger, order, chosen.region)
        patient_of = {each.person: patient for each, patient in zip(order, placing.patients, strict=True)}
        partitions.append(links([patient_of[each.person] for each in numbered]))
    of_all, of_linked = agreement(partitions, len(numbered))
    stable = chosen.expected.stable
    return {
        "set": chosen.name,
        "source": chosen.source,
        "records": len(numbered),
        "same_pairs": round(of_all, 6),
        "same_linked_pairs": round(of_linked, 6),
        "falls_short": [f"same pairs ≥ {stable}"] if stable is not None and of_all < stable else [],
    }
