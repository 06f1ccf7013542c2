"""An export is built only when it holds; what it looks like is frozen."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.export import Earlier, HeadProof, Unprovable, export_document
from domain.proofs import consistency_proof, inclusion_proofs
from domain.signed_note import SigningKey, UntrustedNote
from domain.stream_heads import bucket_of, stream_key
from tests.domain.small_ledger import ANN, BEN, KEY, ORGANIZATION, SmallLedger, small_ledger

GOLDEN = Path(__file__).parents[1] / "golden" / "export_1.json"


def parts(ledger: SmallLedger, size: int = 10) -> dict[str, Any]:
    """Return the arguments from which Ann's export is built."""
    entries = [entry for entry in ledger.stream(ANN) if entry.position <= size]
    rows, tree = ledger.heads(size)
    bucket = bucket_of(stream_key(ORGANIZATION, ANN))
    return {
        "entries": entries,
        "inclusion": inclusion_proofs([entry.position - 1 for entry in entries], size, ledger.source),
        "note": ledger.checkpoint(size),
        "key": KEY.verifier,
        "head": HeadProof(rows[bucket], tree.path(bucket)),
    }


def erased_ledger() -> SmallLedger:
    ledger = small_ledger()
    ledger.erase(ANN)
    ledger.append(ANN, "PatientCreated", {"facts": {"first_name": "Ann"}})
    return ledger


def test_the_document_is_frozen():
    assert erased_ledger().export(ANN, since=(1, 4, 6)) == json.loads(GOLDEN.read_text())


def test_a_document_is_plain_json():
    document = small_ledger().export(ANN)
    assert json.loads(json.dumps(document)) == document


def test_only_the_stream_and_nothing_after_the_checkpoint_is_told():
    document = small_ledger().export(ANN, size=7)
    assert [event["position"] for event in document["events"]] == [1, 2, 4, 7]
    assert str(BEN) not in json.dumps(document)


@pytest.mark.parametrize(
    "change",
    [
        {"organization_id": BEN},
        {"originator_version": 9},
        {"topic": "Other"},
        {"schema_version": 9},
        {"request_id": "other"},
        {"actor": "other"},
        {"source": "other"},
        {"state": b"{}"},
        {"salt": bytes(16)},
        {"state_hash": bytes(32)},
        {"position": 3},
        {"position": 11},
        {"leaf_hash": bytes(32)},
        {"chain_hash": bytes(32)},
    ],
    ids=lambda change: str(change)[:20],
)
@pytest.mark.parametrize("at", [0, 2, 4])
def test_no_export_is_built_over_an_edited_entry(change, at):
    known = parts(small_ledger())
    known["entries"][at] = replace(known["entries"][at], **change)
    with pytest.raises(Unprovable):
        export_document(**known)


def test_no_export_is_built_over_another_time():
    known = parts(small_ledger())
    first = known["entries"][0]
    known["entries"][0] = replace(first, recorded_at=first.recorded_at + timedelta(microseconds=1))
    with pytest.raises(Unprovable):
        export_document(**known)


def test_no_export_is_built_without_the_last_entry():
    known = parts(small_ledger())
    with pytest.raises(Unprovable, match="do not lead"):
        export_document(**known | {"entries": known["entries"][:-1], "inclusion": known["inclusion"][:-1]})


def test_no_export_is_built_without_the_first_entry():
    known = parts(small_ledger())
    with pytest.raises(Unprovable):
        export_document(**known | {"entries": known["entries"][1:], "inclusion": known["inclusion"][1:]})


def test_no_export_is_built_without_entries():
    with pytest.raises(Unprovable):
        export_document(**parts(small_ledger()) | {"entries": [], "inclusion": []})


def test_no_export_is_built_with_proofs_of_another_tree():
    known, other = parts(small_ledger()), parts(small_ledger(), size=8)
    for name in ("inclusion", "note", "head"):
        with pytest.raises(Unprovable):
            export_document(**known | {name: other[name]})


def test_no_export_is_built_on_another_ledgers_checkpoint():
    ledger = small_ledger()
    with pytest.raises(UntrustedNote):
        export_document(**parts(ledger) | {"key": SigningKey(KEY.name, bytes(32)).verifier})


def test_no_export_is_built_on_a_history_that_was_rewritten():
    ledger, other = small_ledger(), SmallLedger()
    for entry in ledger.entries:
        other.append(entry.originator_id, entry.topic, {"rewritten": True})
    proof = consistency_proof(6, 10, ledger.source)
    export_document(**parts(ledger), earlier=[Earlier(ledger.checkpoint(6), proof)])
    with pytest.raises(Unprovable):
        export_document(**parts(ledger), earlier=[Earlier(other.checkpoint(6), proof)])


def test_an_error_says_where_and_nothing_of_the_patient():
    known = parts(small_ledger())
    known["entries"][1] = replace(known["entries"][1], state=b'{"new": "+15550100"}')
    with pytest.raises(Unprovable) as refused:
        export_document(**known)
    assert refused.value.details == {"position": 2, "version": 2}
