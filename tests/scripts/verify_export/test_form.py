"""What does not have exactly the form of an export is refused before anything is checked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts import verify_export
from tests.domain.small_ledger import ANN, small_ledger
from tests.scripts.verify_export.auditor import Document

PROGRAM = Path(verify_export.__file__)
GOLDEN = Path(__file__).parents[2] / "golden" / "export_1.json"


def changed(path: list[str | int], value: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        inner: Any = document
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["format"], "patient-ledger-export/2"),
        (["format"], None),
        (["organization_id"], "6F1C2A34-5B6D-4E7F-8A90-B1C2D3E4F506"),
        (["originator_id"], 7),
        (["verifier_key"], "ledger"),
        (["verifier_key"], "\x9b31mledger+00000000+" + "A" * 44),
        (["checkpoint"], None),
        (["checkpoint"], "\ud800"),
        (["events"], []),
        (["events"], {}),
        (["events", 0], []),
        (["events", 0, "position"], 0),
        (["events", 0, "position"], 1 << 63),
        (["events", 0, "position"], True),
        (["events", 0, "position"], 1.0),
        (["events", 0, "position"], "1"),
        (["events", 0, "originator_version"], -1),
        (["events", 0, "schema_version"], 1 << 31),
        (["events", 0, "schema_version"], 1.0),
        (["events", 0, "topic"], None),
        (["events", 0, "topic"], "\ud800"),
        (["events", 0, "state"], 7),
        (["events", 0, "state"], "e30"),
        (["events", 0, "state"], "e30=\n"),
        (["events", 0, "salt"], "é"),
        (["events", 0, "state_hash"], "0" * 63),
        (["events", 0, "leaf_hash"], "G" * 64),
        (["events", 0, "chain_hash"], None),
        (["events", 0, "inclusion"], None),
        (["events", 0, "inclusion", 0], "00"),
        (["events", 0, "recorded_at"], "2023-11-14T22:13:20Z"),
        (["events", 0, "recorded_at"], "2023-02-30T22:13:20.000001Z"),
        (["events", 0, "recorded_at"], "2023-W46-2T22:13:20.000001Z"),
        (["events", 0, "recorded_at"], "1969-12-31T23:59:59.999999Z"),
        (["events", 0, "recorded_at"], "2023-11-14T22:13:20.000001+00:00"),
        (["events", 0, "recorded_at"], 7),
        (["events", 0, "note"], "more"),
        (["more"], 1),
        (["stream_head"], None),
        (["stream_head", "rows"], "00"),
        (["stream_head", "rows", 0], "0" * 127),
        (["stream_head", "path", 0], 7),
        (["earlier"], None),
        (["earlier"], [{}]),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_has_another_form_is_not_an_export(verify, path, value):
    document = small_ledger().export(ANN)
    changed(path, value)(document)
    code, printed = verify(document)
    assert code == 2
    assert printed.startswith("Nothing was checked: ")


@pytest.mark.parametrize("column", list(small_ledger().export(ANN)["events"][0]))
def test_no_column_may_be_missing(verify, column):
    document = small_ledger().export(ANN)
    del document["events"][1][column]
    assert verify(document) == (
        2,
        "Nothing was checked: export.events[1] is not what patient-ledger-export/1 asks for\n",
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "[" * 100_000], ids=lambda text: text[:5])
def test_what_is_not_an_object_of_json_is_not_an_export(verify, text):
    assert verify(text)[0] == 2


@pytest.mark.parametrize(
    ("written", "other"),
    [('"topic"', '"topic": "PhoneKept", "topic"'), ('"position": 1,', '"position": ' + "9" * 5000 + ",")],
    ids=["a name twice", "a number without end"],
)
def test_what_could_be_read_in_two_ways_is_not_an_export(verify, written, other):
    text = json.dumps(small_ledger().export(ANN))
    assert verify(text)[0] == 0
    assert verify(text.replace(written, other, 1))[0] == 2


@pytest.mark.parametrize("arguments", [("--key", "ledger"), ("--kept", "/does/not/exist")])
def test_a_question_that_makes_no_sense_is_not_answered(verify, arguments):
    assert verify(small_ledger().export(ANN), arguments=arguments)[0] == 2
