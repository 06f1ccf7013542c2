"""Events that are missing, added, moved or cut off are named, and so is a proof that was made up."""

import base64
import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.merkle import node_hash
from domain.signed_note import sign_note
from domain.stream_heads import bucket_hash, head_hash, stream_key
from scripts import verify_export
from tests.domain.small_ledger import ANN, BEGIN, KEY, ORGANIZATION, SmallLedger, small_ledger
from tests.scripts.verify_export.auditor import FORGED, Document, findings, proven, rehashed

PROGRAM = Path(verify_export.__file__)
GOLDEN = Path(__file__).parents[2] / "golden" / "export_1.json"


def dropped(at: int) -> Callable[[Document], None]:
    return lambda document: document["events"].pop(at)


def doubled(document: Document) -> None:
    document["events"].insert(2, copy.deepcopy(document["events"][1]))


def swapped(document: Document) -> None:
    events = document["events"]
    events[1], events[2] = events[2], events[1]


def reversed_(document: Document) -> None:
    document["events"].reverse()


def exchanged(document: Document) -> None:
    """Leave the places, exchange what stands in them."""
    events = document["events"]
    for name in ("topic", "state", "salt", "state_hash"):
        events[1][name], events[3][name] = events[3][name], events[1][name]


def moved(document: Document) -> None:
    """Exchange the versions of two events."""
    swapped(document)
    events = document["events"]
    events[1]["originator_version"], events[2]["originator_version"] = 2, 3


def inserted(document: Document) -> None:
    strange = copy.deepcopy(document["events"][1]) | {"position": 3, "topic": "NeverHappened"}
    document["events"].insert(2, strange)


@pytest.mark.parametrize(
    ("attack", "sentence"),
    [
        (dropped(0), "Version 2 at position 2 comes after version 0"),
        (dropped(2), "Version 4 at position 7 comes after version 2"),
        (dropped(4), "Version 4 is not the last that was signed: the end is missing"),
        (doubled, "Version 2 at position 2 comes after version 2"),
        (swapped, "Version 3 at position 4 comes after version 1"),
        (reversed_, "Version 5 at position 8 comes after version 0"),
        (exchanged, "Version 2 at position 2 has another column"),
        (moved, "Version 2 at position 4 has another column"),
        (inserted, "Version 2 at position 3 comes after version 2"),
    ],
)
def test_a_list_of_events_that_is_not_that_of_the_ledger_is_named(verify, attack, sentence):
    document = small_ledger().export(ANN)
    attack(document)
    code, printed = verify(document)
    assert code == 1
    assert "C" not in proven(printed)
    assert findings(printed)[0].startswith(sentence)


@pytest.mark.parametrize(
    "attack",
    [dropped(0), dropped(2), doubled, swapped, reversed_, exchanged, inserted],
    ids=["first dropped", "middle dropped", "doubled", "swapped", "reversed", "exchanged", "inserted"],
)
def test_nor_does_it_help_to_renumber_and_rehash_them(verify, attack):
    document = small_ledger().export(ANN)
    attack(document)
    for version, event in enumerate(document["events"], start=1):
        event["originator_version"] = version
    code, printed = verify(rehashed(document))
    assert (code, proven(printed)) == (1, "")
    assert any("inclusion proof fails" in finding for finding in findings(printed))
    assert any("the end is missing" in finding for finding in findings(printed))


def test_a_dropped_tail_leaves_the_rest_proven_but_not_complete(verify):
    document = small_ledger().export(ANN)
    document["events"].pop()
    code, printed = verify(document)
    assert (code, proven(printed), len(findings(printed))) == (1, "AD", 1)


def test_places_that_go_back_in_the_ledger_are_named(verify):
    ledger = SmallLedger()
    ledger.append(ANN, "PatientCreated", {})
    ledger.append(ANN, "PhoneChanged", {}, recorded_at=BEGIN)
    assert "was recorded, before the version before it" in findings(verify(ledger.export(ANN))[1])[0]


def test_events_of_one_request_are_recorded_at_one_instant(verify):
    ledger = SmallLedger()
    for topic in ("PatientCreated", "PhoneChanged", "EmailChanged"):
        ledger.append(ANN, topic, {}, recorded_at=BEGIN)
    assert verify(ledger.export(ANN))[0] == 0


def test_two_events_at_one_position_are_named(verify):
    document = small_ledger().export(ANN)
    document["events"][1]["position"] = document["events"][0]["position"]
    document["events"][1]["inclusion"] = document["events"][0]["inclusion"]
    assert any("before the version before it" in finding for finding in findings(verify(rehashed(document))[1]))


def test_a_position_that_goes_back_is_named(verify):
    document = small_ledger().export(ANN)
    first, second = document["events"][:2]
    for name in ("position", "inclusion"):
        first[name], second[name] = second[name], first[name]
    assert any("before the version before it" in finding for finding in findings(verify(rehashed(document))[1]))


def test_a_chain_that_does_not_follow_is_named_where_it_breaks(verify):
    document = small_ledger().export(ANN)
    document["events"][2]["chain_hash"] = "0" * 64
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "")
    assert [finding[:9] for finding in findings(printed)] == ["Version 3", "Version 4"]
    assert "does not follow the version before it" in findings(printed)[0]


@pytest.mark.parametrize("forgery", FORGED)
@pytest.mark.parametrize("at", range(4))
def test_a_forged_inclusion_proof_is_named(verify, forgery, at):
    document = small_ledger().export(ANN)
    document["events"][at]["inclusion"] = FORGED[forgery](document["events"][at]["inclusion"])
    code, printed = verify(document)
    assert (code, proven(printed), len(findings(printed))) == (1, "", 1)
    assert f"Version {at + 1} " in findings(printed)[0]
    assert "its inclusion proof fails" in findings(printed)[0]


def test_an_inclusion_proof_for_another_size_or_leaf_is_refused(verify):
    ledger = small_ledger()
    for size in range(8, 10):
        document = ledger.export(ANN)
        for event, other in zip(document["events"], ledger.export(ANN, size)["events"], strict=True):
            event["inclusion"] = other["inclusion"]
        assert verify(document)[0] == 1
    document = ledger.export(ANN)
    document["events"][0]["inclusion"] = document["events"][1]["inclusion"]
    assert verify(document)[0] == 1


def test_an_inner_node_does_not_pass_for_an_event(verify):
    document = small_ledger().export(ANN)
    first, second = document["events"][:2]
    parent = node_hash(bytes.fromhex(first["leaf_hash"]), bytes.fromhex(second["leaf_hash"]))
    first |= {"leaf_hash": parent.hex(), "inclusion": first["inclusion"][1:]}
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "")
    assert "has another column" in findings(printed)[0]


def head_rows(ledger: SmallLedger) -> tuple[str, str]:
    """Return Ann's row in her bucket, and the one she had two versions before."""
    key, entries = stream_key(ORGANIZATION, ANN), ledger.stream(ANN)
    now, before = (key + head_hash(one.originator_version, one.chain_hash) for one in (entries[-1], entries[-3]))
    return now.hex(), before.hex()


def test_an_old_head_does_not_hide_the_events_since(verify):
    ledger = small_ledger()
    document, (now, before) = ledger.export(ANN), head_rows(ledger)
    del document["events"][-2:]
    for rows in ([before], sorted([now, before]), [now], []):
        document["stream_head"]["rows"] = rows
        code, printed = verify(document)
        assert (code, proven(printed)) == (1, "AD")
    document["stream_head"] = ledger.export(ANN, size=4)["stream_head"]
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "AD")
    assert findings(printed) == ["The stream heads are not those that were signed: their proof fails."]


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_proof_of_the_head_is_named(verify, forgery):
    document = small_ledger().export(ANN)
    document["stream_head"]["path"] = FORGED[forgery](document["stream_head"]["path"])
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "AD")
    assert "The stream heads are not those that were signed: their proof fails." in findings(printed)


def signed_with(document: Document, rows: list[str]) -> Document:
    """Return the export of a signer who commits to these rows for the stream's bucket."""
    root, bucket = bucket_hash(bytes.fromhex("".join(rows))), int(rows[0][:4], 16)
    for level, beside in enumerate(map(bytes.fromhex, document["stream_head"]["path"])):
        root = node_hash(beside, root) if bucket >> level & 1 else node_hash(root, beside)
    text = document["checkpoint"].split("\n\n")[0].split("\n")
    text[3] = f"stream-heads {base64.b64encode(root).decode()}"
    note = sign_note("\n".join(text) + "\n", KEY)
    return document | {"checkpoint": note, "stream_head": document["stream_head"] | {"rows": rows}}


def test_a_stream_may_share_its_bucket(verify):
    ledger = small_ledger()
    (now, _), document = head_rows(ledger), ledger.export(ANN)
    lower, higher = now[:4] + "0" * 124, now[:4] + "f" * 124
    assert verify(signed_with(document, [lower, now, higher]))[0] == 0
    for rows in ([now, lower], [higher, now], [lower, higher, now], [lower, lower, now]):
        code, printed = verify(signed_with(document, rows))
        assert (code, proven(printed)) == (1, "AD")
        assert findings(printed) == ["The stream heads are not in order: a stream could have two."]


def test_a_signer_who_gives_a_stream_two_heads_is_named(verify):
    ledger = small_ledger()
    (now, before), document = head_rows(ledger), ledger.export(ANN)
    for rows in ([now, before], [before, now]):
        code, printed = verify(signed_with(document, rows))
        assert (code, proven(printed)) == (1, "AD")
        assert findings(printed) == ["The stream heads are not in order: a stream could have two."]
