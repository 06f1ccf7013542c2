"""A checkpoint that the trusted key did not sign, or that contradicts one that was kept, is named."""

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest

from domain.signed_note import SigningKey, sign_note
from scripts import verify_export
from tests.domain.small_ledger import ANN, KEY, SmallLedger, small_ledger
from tests.scripts.verify_export.auditor import FORGED, THIEF, findings, proven

PROGRAM = Path(verify_export.__file__)
GOLDEN = Path(__file__).parents[2] / "golden" / "export_1.json"


def resized(note: str) -> str:
    return note.replace("\n10\n", "\n11\n")


@pytest.mark.parametrize(
    ("name", "forge", "reason"),
    [
        ("another size", resized, "the signature is not the key's"),
        (
            "another origin",
            lambda note: note.replace("ledger.example/one\n", "ledger.example/two\n", 1),
            "signature is not",
        ),
        ("another time", lambda note: note.replace("2023", "2022"), "the signature is not the key's"),
        ("an extra line", lambda note: note.replace("\n\n", "\nmore\n\n"), "the signature is not the key's"),
        ("unsigned", lambda note: note.split("\n\n")[0] + "\n", "the key has not signed it"),
        ("signed by another name", lambda note: note.replace("— ledger", "— bedger"), "the key has not signed it"),
        ("a cut signature", lambda note: note[:-3] + "\n", "the key has not signed it"),
        ("another dash", lambda note: note.replace("—", "-"), "the key has not signed it"),
        ("not a note", lambda note: note[:0], "the key has not signed it"),
        (
            "a good and a bad signature",
            lambda note: note + sign_note("other\n", KEY).split("\n\n")[1],
            "the signature is not the key's",
        ),
    ],
)
def test_an_altered_checkpoint_is_named(verify, name, forge, reason):
    document = small_ledger().export(ANN)
    document["checkpoint"] = forge(document["checkpoint"])
    code, printed = verify(document)
    assert (code, proven(printed), len(findings(printed))) == (1, "", 1), name
    assert findings(printed)[0].startswith("The checkpoint is refused: ")
    assert reason in findings(printed)[0]


def test_a_ledger_that_somebody_else_signed_falls_with_the_key_you_trust(verify):
    ledger = small_ledger()
    document = ledger.export(ANN) | {
        "checkpoint": ledger.checkpoint(key=THIEF),
        "verifier_key": str(THIEF.verifier),
    }
    code, printed = verify(document)
    assert code == 0  # why the key has to be compared, and the verifier says so
    assert "compare it" in printed
    code, printed = verify(document, arguments=("--key", str(KEY.verifier)))
    assert (code, proven(printed)) == (1, "")
    assert "the key has not signed it" in findings(printed)[0]


def test_a_signature_of_a_witness_beside_the_ledgers_does_no_harm(verify):
    document = small_ledger().export(ANN)
    text = document["checkpoint"].split("\n\n")[0] + "\n"
    document["checkpoint"] += sign_note(text, SigningKey("witness.example", bytes(32))).split("\n\n")[1]
    assert verify(document)[0] == 0


@pytest.mark.parametrize(
    "text",
    [
        "ledger.example/one\n10\n",
        "ledger.example/two\n10\n{root}\nstream-heads {root}\nsigned-at 2023-11-14T22:13:20Z\n",
        "ledger.example/one\n010\n{root}\nstream-heads {root}\nsigned-at 2023-11-14T22:13:20Z\n",
        "ledger.example/one\n10\n{root}\nsigned-at 2023-11-14T22:13:20Z\n",
        "ledger.example/one\n10\n{root}\nstream-heads {root}\nsigned-at \x1b[31m\n",
    ],
)
def test_what_was_signed_has_to_be_a_checkpoint_of_this_ledger(verify, text):
    signature = base64.b64encode(KEY.verifier.id + KEY.sign(text := text.format(root="A" * 43 + "="))).decode()
    document = small_ledger().export(ANN) | {"checkpoint": f"{text}\n— {KEY.name} {signature}\n"}
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "")
    assert "not a checkpoint of the ledger" in findings(printed)[0]


@pytest.mark.parametrize(("part", "other"), [("one+", "two+"), ("+AQOh", "+AgOh")])
def test_a_key_that_is_not_what_its_id_says_is_refused(verify, part, other):
    document = small_ledger().export(ANN)
    document["verifier_key"] = document["verifier_key"].replace(part, other)
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "")
    assert "not an Ed25519 key with its own id" in findings(printed)[0]


def test_a_key_of_another_kind_with_its_own_id_is_refused(verify):
    material = b"\x02" + KEY.verifier.public
    key_id = sha256(f"{KEY.name}\n".encode() + material).hexdigest()[:8]
    document = small_ledger().export(ANN)
    document["verifier_key"] = f"{KEY.name}+{key_id}+{base64.b64encode(material).decode()}"
    assert "not an Ed25519 key with its own id" in findings(verify(document)[1])[0]


def rewritten() -> SmallLedger:
    """Return a ledger in which one early event was edited and everything after it recomputed."""
    other = SmallLedger()
    for entry in small_ledger().entries:
        payload = {"old": None, "new": "+15550999"} if entry.position == 2 else json.loads(entry.state)
        other.append(entry.originator_id, entry.topic, payload)
    return other


@pytest.mark.parametrize("first", [2, 4, 6, 8, 10])
def test_a_history_that_was_rewritten_whole_does_not_begin_as_it_was(verify, first):
    kept, since = small_ledger().checkpoint(first), () if first == 10 else (first,)
    document = rewritten().export(ANN, since=since)
    assert verify(document)[0] == 0  # by itself it is a true export of a false ledger
    code, printed = verify(document, kept=kept)
    assert (code, proven(printed)) == (1, "ACD")
    assert findings(printed) == [f"The ledger does not begin as it was with {first} entries, or the proof is missing."]


def test_a_ledger_that_was_set_back_is_named(verify):
    ledger = small_ledger()
    code, printed = verify(ledger.export(ANN, size=8), kept=ledger.checkpoint(10))
    assert (code, proven(printed)) == (1, "ACD")
    assert "has more entries than the export's" in findings(printed)[0]


@pytest.mark.parametrize("forgery", FORGED)
@pytest.mark.parametrize("first", [3, 6, 7])
def test_a_forged_consistency_proof_is_named(verify, forgery, first):
    ledger = small_ledger()
    document = ledger.export(ANN, since=(first,))
    document["earlier"][0]["consistency"] = FORGED[forgery](document["earlier"][0]["consistency"])
    for kept in (None, ledger.checkpoint(first)):
        code, printed = verify(document, kept=kept)
        assert (code, proven(printed)) == (1, "ACD")
        assert "does not begin as it was" in findings(printed)[0]


def test_a_proof_since_another_checkpoint_is_none(verify):
    ledger = small_ledger()
    for since in ((), (4,)):
        code, printed = verify(ledger.export(ANN, since=since), kept=ledger.checkpoint(6))
        assert (code, proven(printed)) == (1, "ACD")


def test_a_kept_checkpoint_of_another_key_is_refused(verify):
    ledger = small_ledger()
    code, printed = verify(ledger.export(ANN, since=(6,)), kept=ledger.checkpoint(6, key=THIEF))
    assert (code, proven(printed)) == (1, "ACD")
    assert "The earlier checkpoint is refused: the key has not signed it" in findings(printed)[0]


def test_an_earlier_checkpoint_in_the_export_is_checked_as_well(verify):
    ledger = small_ledger()
    document = ledger.export(ANN, since=(4, 6))
    document["earlier"][1]["checkpoint"] = ledger.checkpoint(6, key=THIEF)
    assert verify(document)[0] == 1
