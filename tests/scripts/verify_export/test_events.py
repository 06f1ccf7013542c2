"""An event that is not as it was recorded is named."""

import base64
import copy
from pathlib import Path

import pytest

from scripts import verify_export
from tests.domain.small_ledger import ANN, BEN, small_ledger
from tests.scripts.verify_export.auditor import findings, proven, rehashed

PROGRAM = Path(verify_export.__file__)
GOLDEN = Path(__file__).parents[2] / "golden" / "export_1.json"


@pytest.mark.parametrize("at", [0, 2, 4])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("originator_version", 9),
        ("topic", "PhoneKept"),
        ("schema_version", 9),
        ("request_id", "req-9"),
        ("actor", "key:other"),
        ("source", "form"),
        ("position", 3),
        ("position", 1 << 40),
        ("recorded_at", "2023-11-14T22:13:20.000999Z"),
    ],
)
def test_an_altered_column_is_named(verify, at, column, value):
    document = small_ledger().export(ANN)
    document["events"][at][column] = value
    version, position = (document["events"][at][name] for name in ("originator_version", "position"))
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "")
    named = f"Version {version} at position {position}"
    assert f"{named} has another column than the one recorded: leaf_hash is not theirs." in findings(printed)
    assert f"{named} is not in the ledger that was signed, or not as it stands here: its inclusion proof fails." in (
        findings(printed)
    )


@pytest.mark.parametrize("at", [0, 2, 4])
@pytest.mark.parametrize("column", ["originator_version", "topic", "schema_version", "actor", "state", "salt"])
def test_an_altered_column_with_all_hashes_made_to_fit_is_named(verify, at, column):
    document = small_ledger().export(ANN)
    event = document["events"][at]
    event[column] = {"state": "e30=", "salt": base64.b64encode(bytes(16)).decode()}.get(
        column, event[column] + (1 if isinstance(event[column], int) else "x")
    )
    code, printed = verify(rehashed(document, at))
    assert (code, proven(printed)) == (1, "")
    assert any("inclusion proof fails" in finding for finding in findings(printed))
    assert any("the end is missing" in finding for finding in findings(printed))
    assert not any("not theirs" in finding for finding in findings(printed))


@pytest.mark.parametrize("column", ["organization_id", "originator_id"])
def test_events_do_not_pass_for_those_of_another(verify, column):
    document = small_ledger().export(ANN)
    document[column] = str(BEN)
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "")
    assert "Version 1 at position 1 has another column" in findings(printed)[0]
    code, printed = verify(rehashed(document))
    assert (code, proven(printed)) == (1, "")
    assert "inclusion proof fails" in findings(printed)[0]


@pytest.mark.parametrize("at", [0, 2, 4])
@pytest.mark.parametrize(("column", "value"), [("state", "e30="), ("salt", "A" * 22 + "=="), ("state_hash", "0" * 64)])
def test_an_altered_payload_is_named(verify, at, column, value):
    document = small_ledger().export(ANN)
    document["events"][at][column] = value
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "")
    assert "has another payload or salt than the one recorded" in findings(printed)[0]


def test_a_payload_whose_beginning_became_salt_is_refused(verify):
    document = small_ledger().export(ANN)
    event = document["events"][0]
    payload = base64.b64decode(event["salt"]) + base64.b64decode(event["state"])
    for size in (0, 15, 17):
        event["salt"], event["state"] = (base64.b64encode(one).decode() for one in (payload[:size], payload[size:]))
        code, printed = verify(document)
        assert (code, proven(printed)) == (1, "")
        assert "without its salt of 16 bytes" in findings(printed)[0]


@pytest.mark.parametrize("column", ["state", "salt"])
def test_half_an_erasure_is_named(verify, column):
    document = small_ledger().export(ANN)
    document["events"][1][column] = None
    code, printed = verify(document)
    assert code == 1
    assert findings(printed)[0].startswith("Version 2 at position 2 has a payload without its salt")


@pytest.mark.parametrize("at", [0, 2, 4])
def test_a_payload_that_is_held_back_does_not_pass_for_erased(verify, at):
    document = small_ledger().export(ANN)
    document["events"][at] |= {"state": None, "salt": None}
    code, printed = verify(document)
    assert (code, proven(printed)) == (1, "ACD")
    assert len(findings(printed)) == 1
    assert "no later event of the stream says that it was erased" in findings(printed)[0]


def test_an_erasure_does_not_cover_what_came_after_it_or_itself(verify):
    ledger = small_ledger()
    ledger.erase(ANN)
    ledger.append(ANN, "PatientCreated", {"facts": {"first_name": "Ann"}})
    document = ledger.export(ANN)
    for at in (5, 6):
        held_back = copy.deepcopy(document)
        held_back["events"][at] |= {"state": None, "salt": None}
        code, printed = verify(held_back)
        assert (code, proven(printed), len(findings(printed))) == (1, "ACD", 1)
