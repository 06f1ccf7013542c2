import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from scripts import run_folder
from scripts.run_folder import make_run_folder, sweep_run_folders
from tests.faults.installation import is_alive
from tests.faults.served import Served
from tests.scripts.waiting import until

ROOT = Path(__file__).parents[2]

HOLD = """
import os, pathlib, subprocess, sys
from scripts import run_folder
run_folder.MEMORY = pathlib.Path(sys.argv[1])
folder, lock = run_folder.make_run_folder()
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=sys.stdin, pass_fds=[lock])
print(folder, child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where run folders lie, for this test alone."""
    monkeypatch.setattr(run_folder, "MEMORY", tmp_path)
    return tmp_path


def test_a_folder_is_kept_while_a_process_of_it_lives_and_swept_afterwards(place: Path):
    command = [sys.executable, "-c", HOLD, str(place)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        name, child = program.stdout.readline().split()
        assert Path(name).parent == place
        sweep_run_folders()
        assert Path(name).exists()
        program.kill()
        program.wait()
        sweep_run_folders()
        assert Path(name).exists(), "its child is still at work"
        os.kill(int(child), signal.SIGKILL)
        until(lambda: not is_alive(int(child)))
    sweep_run_folders()
    assert not Path(name).exists()


def test_what_is_not_ours_is_left_alone(place: Path):
    (place / "ledger-run-empty").mkdir()
    (place / "ledger-run-file").touch()
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "alive").touch()
    (place / "ledger-run-link").symlink_to(elsewhere)
    mine, lock = make_run_folder()
    before = sorted(place.rglob("*"))
    sweep_run_folders()
    assert sorted(place.rglob("*")) == before
    os.close(lock)
    sweep_run_folders()
    assert not mine.exists()


def test_without_a_file_system_in_memory_it_lies_among_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_folder, "MEMORY", tmp_path / "not-there")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine, lock = make_run_folder()
    assert mine.parent == tmp_path
    os.close(lock)
    sweep_run_folders()
    assert not mine.exists()


def test_what_a_killed_serve_leaves_is_removed_by_the_next(folder: Path):
    served = Served(folder)
    try:
        left = _run_folder_of(served)
        served.process.kill()
        served.process.wait()
        until(lambda: not _is_held(left))
        served.start()
        assert not left.exists()
        later = _run_folder_of(served)
    finally:
        served.stop()
    assert not later.exists()


def _run_folder_of(served: Served) -> Path:
    """Return the folder that its workers are told."""
    parent = served.process.pid
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        environment = Path(f"/proc/{child}/environ").read_text().split("\0")
        told = [each.partition("=")[2] for each in environment if each.startswith("LEDGER_RUN_DIR=")]
        if told:
            return Path(told[0])
    raise AssertionError(served.said())


def _is_held(folder: Path) -> bool:
    """Return whether a process has the folder's lock open."""
    held = (folder / "alive").stat()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.path.samestat(descriptor.stat(), held):
                return True
        except OSError:
            continue
    return False
