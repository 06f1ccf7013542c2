"""Does an auditor who kept a checkpoint, whichever it was, find proven that the ledger only grew since?"""

import json
import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from domain.checkpoint import open_checkpoint, sign_checkpoint
from domain.events import PatientErased
from domain.export import Unprovable
from domain.signed_note import SigningKey, UntrustedNote
from projections import proven
from projections.verify import UnknownCheckpoint
from scripts import verify_export
from tests.projections.signed_ledger import ANN, KEY, Signed

VERIFIER = Path(verify_export.__file__)
THIEF = SigningKey(KEY.name, bytes(32))


@pytest.fixture
def patient_id(signed: Signed) -> str:
    """Return a patient of a ledger with three checkpoints."""
    known = signed.clinic.send(**{**ANN, "last_name": "Lee1", "phone_number": "+12125550101"}).patient
    signed.clinic.send(**ANN)
    signed.sign()
    return known.id


def export(
    signed: Signed, patient_id: str, *, since: Collection[int] = (), kept: Collection[str] = ()
) -> dict[str, object]:
    return proven.export(signed.clinic.url, KEY.verifier, signed.clinic.id, patient_id, since=since, kept=kept)


def checked(document: dict[str, object], kept: str, folder: Path) -> tuple[int, str]:
    """Return the offline verifier's exit code and what it printed."""
    for name, text in (("export.json", json.dumps(document)), ("kept", kept)):
        (folder / name).write_text(text, "utf-8")
    files = [str(VERIFIER), str(folder / "export.json"), "--kept", str(folder / "kept")]
    done = subprocess.run(
        [sys.executable, *files, "--key", str(KEY.verifier)], check=False, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout


def test_consistency_is_proven_with_every_checkpoint_that_somebody_kept(
    signed: Signed, patient_id: str, tmp_path: Path
):
    sizes = signed.folder.sizes()
    assert len(sizes) == 3
    for size in sizes:
        kept = signed.folder.read(size)
        asked = (
            export(signed, patient_id, since=[size]),
            export(signed, patient_id, kept=[kept]),
            export(signed, patient_id, since=sizes),
        )
        for document in asked:
            code, printed = checked(document, kept, tmp_path)
            assert code == 0, printed
            assert "B  PROVEN: None of the entries at the earlier checkpoint that you kept" in printed


def test_without_a_word_it_is_proven_with_the_first_checkpoint_alone(signed: Signed, patient_id: str, tmp_path: Path):
    first, second, _ = signed.folder.sizes()
    document = export(signed, patient_id)
    assert checked(document, signed.folder.read(first), tmp_path)[0] == 0
    code, printed = checked(document, signed.folder.read(second), tmp_path)
    assert (code, "B  NOT PROVEN" in printed) == (1, True)


def test_a_forged_checkpoint_is_named_at_both_ends(signed: Signed, patient_id: str, tmp_path: Path):
    _, second, _ = signed.folder.sizes()
    checkpoint = open_checkpoint(signed.folder.read(second), KEY.verifier)
    by_a_thief, of_another_history = (
        sign_checkpoint(checkpoint, THIEF),
        sign_checkpoint(replace(checkpoint, root=bytes(32)), KEY),
    )
    with pytest.raises(UntrustedNote):
        export(signed, patient_id, kept=[by_a_thief])
    with pytest.raises(Unprovable):
        export(signed, patient_id, kept=[of_another_history])
    honest = export(signed, patient_id, since=[second])
    for forged in (by_a_thief, of_another_history):
        code, printed = checked(honest, forged, tmp_path)
        assert (code, "B  NOT PROVEN" in printed) == (1, True)


def test_a_checkpoint_that_is_not_there_or_later_than_the_ledger_is_refused(signed: Signed, patient_id: str):
    *_, last = signed.folder.sizes()
    with pytest.raises(UnknownCheckpoint):
        export(signed, patient_id, since=[last - 1])
    later = replace(open_checkpoint(signed.folder.read(last), KEY.verifier), size=last + 1)
    with pytest.raises(proven.SetBack):
        export(signed, patient_id, kept=[sign_checkpoint(later, KEY)])


def test_the_verifier_that_stands_alone_knows_the_same_word_for_an_erasure():
    assert PatientErased.__name__ == verify_export.ERASURE
