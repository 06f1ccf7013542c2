"""What does the followers' process tell? Lines as the workers' are, with no value of a patient."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from api import logs
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
