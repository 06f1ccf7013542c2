"""What does the followers' process tell? Lines as the workers' are, with no value of a patient."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from api import logs
from scripts import followers
from scripts.followers import Followers
from scripts.signing_key import signing_key, verifier_key
from tests.projections.histories import an_organization, live, opened

WAITING_AT = 5


def test_a_follower_that_cannot_go_on_says_where_in_a_line_that_holds_listed_keys_alone(database_url, folder):
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 5, seed=1)
    with psycopg.connect(database_url) as superuser:
        superuser.execute("SET session_replication_role = replica")  # no trigger fires
        superuser.execute("DELETE FROM ledger_events WHERE position = %s", (WAITING_AT,))
    line, written = _first_line(database_url, folder, level="warning")
    assert written == ""
    assert set(line) <= set(logs.KEYS)
    told = {key: line[key] for key in ("level", "event", "follower", "error", "position", "reason")}
    assert told == {
        "level": "error",
        "event": "follower cannot go on",
        "follower": "checkpoints",
        "error": "EntriesSkipped",
        "position": WAITING_AT,
        "reason": "position 5, found_position 6",
    }


def test_a_follower_that_cannot_write_a_file_says_why(database_url, folder):
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 5, seed=1)
    (folder / "checkpoints").touch()
    line, _ = _first_line(database_url, folder, level="warning")
    assert (line["error"], line["reason"]) == ("FileExistsError", "File exists")


def test_a_key_that_cannot_be_read_is_named(database_url, folder):
    (folder / "signing-key").write_text("no key")
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.ledger", "follow"],
        env={**os.environ, "LEDGER_DATABASE_URL": database_url, "LEDGER_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert f"file: {folder}/signing-key" in ended.stderr


def test_a_public_key_that_a_full_disk_left_empty_is_written_again(tmp_path):
    key = signing_key(tmp_path)
    (tmp_path / "verifier-key").write_text("")
    assert str(signing_key(tmp_path).verifier) == str(key.verifier)
    assert str(verifier_key(tmp_path)) == str(key.verifier)


def test_a_process_that_keeps_ending_is_begun_again_less_and_less_often(monkeypatch: pytest.MonkeyPatch):
    clock = 0.0
    begun: list[float] = []
    lives_until = -1.0

    class Process:
        def __init__(self, *_: object, **__: object) -> None:
            begun.append(clock)

        def poll(self) -> int | None:
            return None if clock < lives_until else 2

        def terminate(self) -> None:
            pass

        def wait(self, timeout: float) -> int:
            return int(timeout)

    monkeypatch.setattr(followers, "time", SimpleNamespace(monotonic=lambda: clock))
    monkeypatch.setattr(subprocess, "Popen", Process)
    with Followers("/nowhere", "") as each:
        for second in range(1, 1000):
            clock = float(second)
            each.check()
        gaps = [after - before for before, after in itertools.pairwise(begun)]
        assert gaps[0] <= 2
        assert gaps == sorted(gaps)
        assert 30 <= gaps[-1] <= 33
        lives_until = clock + 100  # it was mended, and works for a while
        for second in range(1000, 1200):
            clock = float(second)
            each.check()
        assert sum(1100 < at < 1110 for at in begun) >= 2


def _first_line(url: str, folder: Path, level: str) -> tuple[dict[str, Any], str]:
    """Return the first line of `follow` on standard error, and what it wrote to standard output until its end."""
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.ledger", "follow"],
        env={**os.environ, "LEDGER_DATABASE_URL": url, "LEDGER_DATA_DIR": str(folder), "LEDGER_LOG_LEVEL": level},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            line = json.loads(process.stderr.readline())
        finally:
            process.terminate()
        written, _ = process.communicate(timeout=30)
        assert process.returncode == 0
    return line, written
