"""What the follower signs is what the ledger holds, in whatever batches it came; and it never contradicts itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checkpoint import open_checkpoint
from domain.merkle import Frontier, Node
from domain.stream_heads import HeadsTree
from projections.checkpoints import (
    Rewritten,
    RolledBack,
    SkippedEntry,
    grow,
    hashes_of_buckets,
    is_due,
    refuse_contradiction,
    resumed,
    sign_next,
    touched,
)
from tests.domain.small_ledger import ANN, BEGIN, BEN, KEY, SmallLedger, small_ledger

NOW = datetime(2024, 5, 4, 12, 0, tzinfo=UTC)


class Tables:
    """The three tables of the follower, in memory."""

    def __init__(self, ledger: SmallLedger) -> None:
        self.ledger = ledger
        self.nodes: dict[Node, bytes] = {}
        self.rows: dict[int, bytes] = {}
        self.hashes: dict[int, bytes] = {}
        self.frontier, self.heads = Frontier(), HeadsTree()

    def follow(self, batch: int) -> None:
        """Take the next entries of the ledger."""
        entries = self.ledger.entries[self.frontier.size : self.frontier.size + batch]
        growth = grow(self.frontier, {bucket: self.rows.get(bucket, b"") for bucket in touched(entries)}, entries)
        for node, value in growth.nodes:
            assert node not in self.nodes  # added once, never changed
            self.nodes[node] = value
        self.rows.update(growth.buckets)
        self.hashes.update(hashes_of_buckets(growth))
        self.frontier = growth.frontier
        self.heads.update(hashes_of_buckets(growth))

    def source(self, asked):
        leaves = {(0, entry.position - 1): entry.leaf_hash for entry in self.ledger.entries}
        return {node: (leaves | self.nodes)[node] for node in asked}


def long_ledger(entries: int) -> SmallLedger:
    ledger = SmallLedger()
    for number in range(entries):
        ledger.append(UUID(int=number % 7), "PatientCreated", {"number": number})
    return ledger


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_the_batch_sizes_do_not_matter(batches):
    ledger = long_ledger(sum(batches))
    whole, parts = Tables(ledger), Tables(ledger)
    whole.follow(sum(batches))
    for batch in batches:
        parts.follow(batch)
    assert (parts.nodes, parts.rows, parts.hashes) == (whole.nodes, whole.rows, whole.hashes)
    assert (parts.frontier, parts.heads.root()) == (whole.frontier, whole.heads.root())


def test_what_is_signed_is_what_the_ledger_holds():
    ledger = small_ledger()
    tables = Tables(ledger)
    tables.follow(10)
    note = sign_next(tables.frontier, tables.heads, None, tables.source, KEY, BEGIN + timedelta(hours=1))
    assert note == ledger.checkpoint(10)


def test_a_follower_that_starts_again_goes_on_where_it_was():
    tables = Tables(long_ledger(100))
    tables.follow(61)
    before = tables.frontier, tables.heads.root()
    frontier, heads = resumed(61, tables.source, tables.hashes)
    assert (frontier, heads.root()) == before


@pytest.mark.parametrize("missing", [0, 3, 9])
def test_no_entry_is_skipped(missing):
    entries = small_ledger().entries
    del entries[missing]
    entries.append(replace(entries[-1], position=12))
    with pytest.raises(SkippedEntry):
        grow(Frontier(), {}, entries)


@pytest.mark.parametrize(
    ("unsigned", "waited", "due"),
    [
        (0, None, False),
        (0, timedelta(hours=1), False),
        (1, None, True),
        (1, timedelta(seconds=59), False),
        (1, timedelta(seconds=60), True),
        (999, timedelta(0), False),
        (1000, timedelta(0), True),
    ],
)
def test_a_checkpoint_is_due_after_a_minute_or_a_thousand_entries(unsigned, waited, due):
    assert is_due(unsigned, None if waited is None else NOW - waited, NOW) is due


def signed(ledger: SmallLedger, size: int):
    return open_checkpoint(ledger.checkpoint(size), KEY.verifier)


@pytest.mark.parametrize("first", range(11))
def test_every_earlier_checkpoint_is_continued(first):
    tables = Tables(small_ledger())
    tables.follow(10)
    refuse_contradiction(signed(tables.ledger, first), tables.frontier, tables.source)


@pytest.mark.parametrize("first", [9, 10])
def test_nothing_is_signed_after_the_ledger_was_set_back(first):
    previous = signed(small_ledger(), first)
    tables = Tables(small_ledger())
    del tables.ledger.entries[8:]
    tables.follow(10)
    with pytest.raises(RolledBack) as refused:
        sign_next(tables.frontier, tables.heads, previous, tables.source, KEY, NOW)
    assert refused.value.details == {"signed": first, "held": 8}


@pytest.mark.parametrize("first", [3, 8, 10])
def test_nothing_is_signed_over_a_history_that_was_rewritten(first):
    previous = signed(small_ledger(), first)
    other = SmallLedger()
    for entry in small_ledger().entries:  # the third is edited and every hash recomputed
        other.append(BEN if entry.originator_id == BEN else ANN, entry.topic, {"edited": entry.position == 3})
    tables = Tables(other)
    tables.follow(10)
    with pytest.raises(Rewritten):
        sign_next(tables.frontier, tables.heads, previous, tables.source, KEY, NOW)


def test_nothing_is_signed_when_the_ledger_was_set_back_and_grew_again():
    previous = signed(small_ledger(), 10)
    tables = Tables(small_ledger())
    del tables.ledger.entries[8:]
    for _ in range(5):
        tables.ledger.append(ANN, "CommentsChanged", {"old": None, "new": "later"})
    tables.follow(13)
    with pytest.raises(Rewritten):
        sign_next(tables.frontier, tables.heads, previous, tables.source, KEY, NOW)
