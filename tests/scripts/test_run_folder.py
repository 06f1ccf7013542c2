import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from scripts.run_folder import make_run_folder, sweep_run_folders
from tests.faults.installation import is_alive
from tests.faults.served import Served
from tests.scripts.waiting import until

ROOT = Path(__file__).parents[2]

HOLD = """
import os, subprocess, sys
from scripts.run_folder import make_run_folder
folder, lock = make_run_folder()
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=sys.stdin, pass_fds=[lock])
print(folder, child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder for temporary files, for this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_folder_is_kept_while_a_process_of_it_lives_and_swept_afterwards(place: Path):
    command = [sys.executable, "-c", HOLD]
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


def test_what_a_killed_serve_leaves_is_removed_by_the_next(folder: Path, tmp_path: Path):
    served = Served(folder, TMPDIR=str(tmp_path))
    try:
        (left,) = tmp_path.glob("ledger-run-*")
        served.process.kill()
        served.process.wait()
        until(lambda: not _is_held(left))
        served.start()
        assert not left.exists()
        assert len([*tmp_path.glob("ledger-run-*")]) == 1
    finally:
        served.stop()
    assert [*tmp_path.iterdir()] == []


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
