"""A checkpoint that was kept outside the database stays what it was."""

import pytest

from projections.checkpoint_folder import CheckpointFolder, OtherCheckpoint


def test_what_was_kept_is_read_back_in_order_of_size(tmp_path):
    folder = CheckpointFolder(tmp_path / "made" / "when needed")
    assert folder.sizes() == []
    for size in (1000, 9, 20):
        folder.keep(size, f"note of {size} — signed\n")
    assert folder.sizes() == [9, 20, 1000]
    assert folder.read(20) == "note of 20 — signed\n"


def test_keeping_the_same_twice_is_silent(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.keep(9, "note\n")
    folder.keep(9, "note\n")
    assert folder.sizes() == [9]


def test_a_checkpoint_is_never_replaced(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.keep(9, "note\n")
    with pytest.raises(OtherCheckpoint):
        folder.keep(9, "other\n")
    assert folder.read(9) == "note\n"


def test_nothing_is_left_beside_the_checkpoints(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.keep(9, "note\n")
    with pytest.raises(OtherCheckpoint):
        folder.keep(9, "other\n")
    assert [path.name for path in tmp_path.iterdir()] == ["00000000000000000009.checkpoint"]


def test_other_files_are_no_checkpoints(tmp_path):
    (tmp_path / "README").write_text("what these are")
    (tmp_path / "latest.checkpoint").write_text("a link of somebody")
    assert CheckpointFolder(tmp_path).sizes() == []


def test_a_checkpoint_that_was_not_kept_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        CheckpointFolder(tmp_path).read(9)


def test_the_largest_is_known_without_listing_again(tmp_path, monkeypatch):
    folder = CheckpointFolder(tmp_path)
    assert folder.largest() is None
    folder.keep(9, "note\n")
    assert folder.largest() == 9
    folder.keep(20, "note\n")
    folder.keep(10, "note\n")
    monkeypatch.delattr(CheckpointFolder, "sizes")
    assert folder.largest() == 20
