"""The offline verifier accepts what is true, and says what it proves and what it does not."""

import ast
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from domain.proofs import consistency_proof
from scripts import verify_export
from tests.domain.small_ledger import ANN, BEN, KEY, ORGANIZATION, SmallLedger, small_ledger
from tests.scripts.verify_export.auditor import findings, proven

PROGRAM = Path(verify_export.__file__)
GOLDEN = Path(__file__).parents[2] / "golden" / "export_1.json"


def test_a_true_export_is_proven(verify):
    code, printed = verify(small_ledger().export(ANN))
    assert (code, proven(printed), findings(printed)) == (0, "ACD", [])
    assert "B  NOT ASKED" in printed
    assert "Each of the 5 events" in printed
    assert "ledger.example/one: 10 entries, root 6dfbdafd7dad9cee" in printed
    assert "signed at 2023-11-14T23:13:20Z" in printed
    assert f"stream {ANN} of organization {ORGANIZATION}" in printed


@pytest.mark.parametrize("size", range(1, 11))
@pytest.mark.parametrize("stream", [ANN, BEN])
def test_every_checkpoint_proves_every_stream(verify, stream, size):
    ledger = small_ledger()
    if [entry for entry in ledger.stream(stream) if entry.position <= size]:
        assert verify(ledger.export(stream, size))[0] == 0


def test_the_frozen_export_is_proven_for_ever(verify):
    code, printed = verify(GOLDEN.read_text())
    assert (code, proven(printed)) == (0, "ABCDF")
    assert "the earlier checkpoint that came with the export" in printed


def test_an_erased_patient_is_proven_to_have_been_there(verify):
    ledger = small_ledger()
    before = ledger.checkpoint()
    ledger.erase(ANN)
    code, printed = verify(ledger.export(ANN, since=(10,)), kept=before, arguments=("--show",))
    assert (code, proven(printed)) == (0, "ABCDF")
    assert printed.count('"state": null') == 5
    assert "order" in printed.splitlines()[-1]
    assert "PROVEN: 5 payloads are erased" in printed
    assert "PROVEN: 1 payloads are the bytes" in printed


@pytest.mark.parametrize("first", range(1, 11))
def test_a_kept_checkpoint_is_proven_to_be_the_beginning(verify, first):
    ledger = small_ledger()
    since = () if first == 10 else (2, first)
    code, printed = verify(ledger.export(ANN, since=since), kept=ledger.checkpoint(first))
    assert (code, proven(printed)) == (0, "ABCD")
    assert "the earlier checkpoint that you kept" in printed


def test_what_can_never_be_proven_is_said(verify):
    _, printed = verify(small_ledger().export(ANN))
    for limit in ("was true", "after the checkpoint", "clocks", "heads are those", "everybody is shown", "every copy"):
        assert limit in printed


def test_a_key_from_the_export_is_said_to_be_one_and_a_given_one_too(verify):
    document = small_ledger().export(ANN)
    assert "as it came with the export: compare it" in verify(document)[1]
    assert "as you gave it" in verify(document, arguments=("--key", str(KEY.verifier)))[1]


def test_patient_values_are_shown_only_on_request_and_only_when_all_holds(verify):
    document = small_ledger().export(ANN)
    assert "+15550100" not in verify(document)[1]
    assert "+15550100" in verify(document, arguments=("--show",))[1]
    document["events"][0]["actor"] = "other"
    code, printed = verify(document, arguments=("--show",))
    assert code == 1
    assert "+15550100" not in printed


@pytest.mark.parametrize("size", [*range(1, 20), 64, 70])
def test_its_proofs_are_those_of_the_ledger(size):
    ledger = SmallLedger()
    for number in range(size):
        ledger.append(UUID(int=number), "PatientCreated", {})
    heads = [verify_export.open_checkpoint(ledger.checkpoint(first), str(KEY.verifier)) for first in range(size + 1)]
    for first in range(1, size + 1):
        proof = [one.hex() for one in consistency_proof(first, size, ledger.source)]
        assert verify_export.consistent(heads[first], heads[size], proof)
        for wrong in set(range(size)) - {first}:
            assert not verify_export.consistent(heads[wrong], heads[size], proof), (wrong, first)


def test_a_leaf_outside_the_tree_is_not_in_it():
    leaf = b"leaf".ljust(32)
    assert verify_export.included(leaf, 0, 1, [], leaf)
    for index in (1, 2):
        assert not verify_export.included(leaf, index, 1, [], leaf)


def test_a_proof_that_ends_below_the_top_of_the_tree_is_refused():
    ledger = small_ledger()
    two, four = (verify_export.open_checkpoint(ledger.checkpoint(size), str(KEY.verifier)) for size in (2, 4))
    leaf, other = ledger.entries[0].leaf_hash, ledger.entries[1].leaf_hash.hex()
    assert verify_export.included(leaf, 0, 2, [other], two.root)
    assert not verify_export.included(leaf, 0, 4, [other], two.root)
    proof = [one.hex() for one in consistency_proof(2, 4, ledger.source)]
    assert verify_export.consistent(two, four, proof)
    assert not verify_export.consistent(two, four._replace(size=8), proof)


def test_a_proof_that_goes_on_above_the_top_of_the_tree_is_refused():
    ledger = small_ledger()
    two, seven, eight = (
        verify_export.open_checkpoint(ledger.checkpoint(size), str(KEY.verifier)) for size in (2, 7, 8)
    )
    assert not verify_export.included(ledger.entries[1].leaf_hash, 0, 1, [ledger.entries[0].leaf_hash.hex()], two.root)
    proof = [one.hex() for one in consistency_proof(7, 8, ledger.source)]
    assert verify_export.consistent(seven, eight, proof)
    assert not verify_export.consistent(seven._replace(size=3), eight._replace(size=4), proof)


def test_it_runs_alone_from_anywhere(tmp_path):
    program, export = tmp_path / "verify_export.py", tmp_path / "export.json"
    program.write_bytes(PROGRAM.read_bytes())
    export.write_bytes(GOLDEN.read_bytes())
    for arguments, code in (([export], 0), ([tmp_path / "none"], 2), ([], 2)):
        ran = subprocess.run(
            [sys.executable, "-I", program, *arguments], cwd=tmp_path, capture_output=True, timeout=60, check=False
        )
        assert ran.returncode == code


def test_it_says_when_cryptography_is_missing(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-I", "-S", PROGRAM, GOLDEN], cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (2, b"This needs the Python package cryptography.\n")


def test_it_uses_nothing_but_the_standard_library_and_cryptography():
    imported = {
        name.partition(".")[0]
        for statement in ast.walk(ast.parse(PROGRAM.read_text()))
        for name in (
            [alias.name for alias in statement.names]
            if isinstance(statement, ast.Import)
            else [statement.module or ""]
            if isinstance(statement, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_it_is_short_enough_to_be_read():
    assert len(PROGRAM.read_text().splitlines()) < 300
