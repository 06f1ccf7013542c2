"""What must hold after every fault: each acknowledged request is there exactly once, and the ledger is whole."""

from collections import Counter
from typing import Any
from uuid import UUID

import psycopg

from domain import hashing
from domain.entry import StoredEntry, decode
from domain.events import CommentsChanged, PatientCreated
from projections.event_store import stored_entry
from projections.inline import PROJECTIONS
from projections.rebuild import rebuild
from projections.statements import statements
from tests.clinic import check_positions
from tests.faults.senders import Sent

_SELECT = statements("event_store")["select_log"]


def entries(url: str) -> list[StoredEntry]:
    """Return the whole log, as the owner of the database sees it."""
    with psycopg.connect(url) as owner:
        rows = owner.execute(_SELECT, {"after": 0, "up_to": 2**62, "limit": 2**62})
        return [stored_entry(row) for row in rows]


def check_ledger(url: str) -> int:
    """Check positions, versions, hashes, and that the read model is the fold of the log; return the head."""
    head = check_positions(url)
    check_hashes(entries(url))
    report = rebuild(url, list(PROJECTIONS), check=True)
    assert report.parked == []
    assert not report.differences, report.differences
    assert report.equal
    return head


def check_hashes(log: list[StoredEntry]) -> None:
    """Check every hash of every entry."""
    chains: dict[UUID, bytes] = {}
    for entry in log:
        assert entry.recorded_at is not None
        assert isinstance(entry.originator_id, UUID)
        assert entry.state_hash == hashing.state_hash(entry.salt, entry.state)
        leaf = hashing.leaf_hash(entry.leaf_prefix(), entry.position, hashing.microseconds(entry.recorded_at))
        assert entry.leaf_hash == leaf
        before = chains.get(entry.originator_id, hashing.BEFORE_FIRST)
        chains[entry.originator_id] = hashing.chain_hash(before, leaf)
        assert entry.chain_hash == chains[entry.originator_id]


def check_acknowledged(url: str, sent: Sent) -> None:
    """Check that each request was carried out once, and stands where its answer says."""
    log = entries(url)
    told = Counter(comment for entry in log if (comment := _comment(entry)) is not None)
    ours = {comment: times for comment, times in told.items() if comment.endswith(f" of {sent.seed}")}
    assert ours == dict.fromkeys(sent.answers, 1)
    for comment, answer in sent.answers.items():
        _check_answer(log, comment, answer)


def _check_answer(log: list[StoredEntry], comment: str, answer: dict[str, Any]) -> None:
    """Check that the entries of an answer are where it says, and nowhere else."""
    position, names = answer["receipt"]["position"], answer["receipt"]["events"]
    its_own = log[position - len(names) : position]
    assert [entry.topic for entry in its_own] == names
    assert {str(entry.originator_id) for entry in its_own} == {answer["patient"]["id"]}
    assert {entry.request_id for entry in its_own} == {answer["receipt"]["request_id"]}
    assert comment in [_comment(entry) for entry in its_own]
    assert its_own[-1].originator_version == answer["patient"]["version"]


def _comment(entry: StoredEntry) -> str | None:
    """Return the comment that an entry brought."""
    event = decode(entry.topic, entry.schema_version, entry.state)
    if isinstance(event, PatientCreated):
        comment: str | None = event.facts.get("comments")
        return comment
    return event.new if isinstance(event, CommentsChanged) else None
