"""What must hold after every fault: each acknowledged request is there exactly once, and the ledger is whole."""

from collections import Counter
from pathlib import Path
from typing import Any

import psycopg

from domain.entry import StoredEntry, decode
from domain.events import CommentsChanged, PatientCreated
from projections.event_store import stored_entry
from projections.statements import statements
from scripts.backup import whole
from scripts.signing_key import checkpoint_folder, verifier_key
from tests.clinic import check_positions
from tests.faults.senders import Sent

_SELECT = statements("event_store")["select_log"]


def entries(url: str) -> list[StoredEntry]:
    """Return the whole log, as the owner of the database sees it."""
    with psycopg.connect(url) as owner:
        rows = owner.execute(_SELECT, {"after": 0, "up_to": 2**62, "limit": 2**62})
        return [stored_entry(row) for row in rows]


def check_ledger(url: str, data_dir: Path | None = None) -> int:
    """Check everything that `verify` checks, the read model included, and what was signed; return the head."""
    head = check_positions(url)
    key = None if data_dir is None else verifier_key(data_dir)
    verdict = whole.check(url, key, checkpoint_folder(data_dir or Path()))
    assert verdict.findings == []
    assert (verdict.position, verdict.events) == (head, head)
    return head


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
