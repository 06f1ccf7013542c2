import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from api.settings import Settings
from scripts.embedded import EmbeddedPostgres
from scripts.embedded.processes import working_in
from scripts.serve import _announce
from tests.scripts.waiting import until

RECORD = {
    "first_name": "Ann",
    "last_name": "Garcia",
    "date_of_birth": "03/01/1980",
    "phone_number": "(212) 555-0142",
}


class Served:
    """A running `serve` and what it told."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.demo: dict[str, Any] = json.loads((folder / "demo.json").read_text())

    def upsert(self) -> httpx.Response:
        url = f"{self.demo['base_url']}/v1/patients/upsert"
        return httpx.post(url, json=RECORD, headers={"X-API-Key": self.demo["api_key"]}, timeout=60)

    def is_gone(self) -> bool:
        return not self.answers() and not working_in(self.folder / "postgres" / "data")

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.demo['base_url']}/livez", timeout=30).is_success
        except httpx.HTTPError:
            return False


def serve(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.serve", "--data-dir", str(folder), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[Served]:
    with serve(folder, "--port", "0", **environment) as process:
        assert process.stdout is not None
        try:
            assert any("Ctrl-C" in line for line in process.stdout), process.stderr and process.stderr.read()
            yield Served(process, folder)
        finally:
            process.terminate()


def refused(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Return the exit code and the sentence of a `serve` that does not come up."""
    with serve(folder, *arguments, **environment) as process:
        _, said = process.communicate(timeout=100)
    assert "Traceback" not in said
    return process.returncode, said


def test_a_fresh_start_answers_and_a_signal_ends_everything_in_order(folder):
    with serving(folder) as served:
        answer = served.upsert().json()
        assert answer["created"]
        assert answer["patient"]["phone_number"] == "+12125550142"
        assert (folder / "demo.json").stat().st_mode & 0o777 == 0o600
        assert all(served.demo[name] for name in ("external_id_types", "locations", "workflow_stages", "users"))
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(timeout=30) == 0
        assert served.is_gone()
        first = served.demo

    with serving(folder) as served:
        assert served.demo | {"base_url": first["base_url"]} == first
        assert served.upsert().json()["matched"]


def test_a_ledger_that_was_in_use_is_announced_without_a_link_and_with_the_verbs_that_make_one(capsys):
    _announce(Settings(host="127.0.0.1", port=8081), None)
    said = capsys.readouterr().out
    assert "http://127.0.0.1:8081/panel\n" in said
    assert "signs in once" not in said
    assert all(verb in said for verb in ("org list", "key issue --organization ID", "--base-url http://127.0.0.1:8081"))


def test_a_request_in_flight_is_answered_before_the_end(folder):
    with serving(folder) as served, ThreadPoolExecutor(1) as pool:
        with (
            EmbeddedPostgres(folder, "the test") as server,
            psycopg.connect(server.url("ledger")) as blocker,
            psycopg.connect(server.url(), autocommit=True) as watcher,
        ):
            blocker.execute("SELECT FROM ledger_head FOR UPDATE")  # whoever appends waits; readers do not
            answer = pool.submit(served.upsert)
            waiting = "SELECT FROM pg_stat_activity WHERE datname = 'ledger' AND wait_event_type = 'Lock'"
            until(lambda: watcher.execute(waiting).rowcount)
            served.process.terminate()
            until(lambda: not served.answers())
            assert not answer.done()
            blocker.rollback()
            assert answer.result(timeout=30).json()["created"]
        assert served.process.wait(timeout=30) == 0
        assert served.is_gone()


@pytest.mark.parametrize("victim", ["serve", "granian", "serve and granian", "postgres"])
def test_whichever_is_killed_nothing_is_left_running(folder, victim):
    with serving(folder) as served:
        (granian,) = _children(served.process.pid, "scripts.workers")
        victims = {
            "serve": [served.process.pid],
            "granian": [granian],
            "serve and granian": [served.process.pid, granian],
            "postgres": [int((folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])],
        }[victim]
        until(lambda: len(_children(granian, "scripts.workers")) == 2)
        workers = _children(granian, "scripts.workers")
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert served.process.wait(timeout=60) == (-signal.SIGKILL if "serve" in victim else 3)
        if victim == "granian":
            assert served.process.stderr is not None
            assert "(granian: ended by SIGKILL)" in served.process.stderr.read()
        until(lambda: not any(map(_command_line, [granian, *workers])))
        until(served.is_gone)


@pytest.mark.long
def test_a_worker_that_hangs_when_granian_is_killed_is_ended(folder):
    with serving(folder) as served:
        (granian,) = _children(served.process.pid, "scripts.workers")
        until(lambda: len(_children(granian, "scripts.workers")) == 2)
        hanging, _ = _children(granian, "scripts.workers")
        os.kill(hanging, signal.SIGSTOP)  # so that SIGTERM does not end it
        os.kill(granian, signal.SIGKILL)
        assert served.process.wait(timeout=90) == 3
        until(lambda: _command_line(hanging) == "")
        until(served.is_gone)


def test_how_a_worker_ended_is_told_when_granian_gives_up(folder):
    with serving(folder, LEDGER_WORKERS="1") as served:
        (granian,) = _children(served.process.pid, "scripts.workers")
        for _ in range(2):
            until(lambda: len(_children(granian, "scripts.workers")) == 1)
            (worker,) = _children(granian, "scripts.workers")
            os.kill(worker, signal.SIGKILL)
            until(partial(_is_gone, worker, granian))
        _, said = served.process.communicate(timeout=60)
    assert served.process.returncode == 3
    assert "The workers ended by themselves. (worker-1: ended by SIGKILL)" in said


def test_a_data_folder_that_cannot_be_used_beside_a_database_of_ones_own_is_told(folder, database_url):
    (folder / "file").touch()
    code, said = refused(folder / "file" / "data", "--port", "0", LEDGER_DATABASE_URL=database_url)
    assert code == 3
    assert "Traceback" not in said
    assert str(folder / "file") in said


def test_a_port_in_use_is_told(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refused(folder, "--port", str(port))
    assert code == 3
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


def test_a_second_serve_on_the_same_data_is_told(folder):
    with serving(folder) as served:
        code, said = refused(folder, "--port", "0")
        assert code == 3
        assert f"in use by serve, process {served.process.pid}" in said
        assert served.upsert().is_success


def test_a_database_of_ones_own_is_used_and_its_password_shown_to_nobody(folder, database_url):
    secret = f"{database_url}{'&' if '?' in database_url else '?'}password=opensesame"
    with serving(folder, LEDGER_DATABASE_URL=secret) as served:
        assert served.upsert().json()["created"]
        assert not (folder / "postgres").exists()
        assert not [pid for pid in _pids() if "opensesame" in _command_line(pid)]
    assert served.process.returncode == 0


def test_a_database_in_use_gets_no_demo(folder, database_url):
    other = folder / "other"
    with serving(other, LEDGER_DATABASE_URL=database_url):
        pass
    with serve(folder, "--port", "0", LEDGER_DATABASE_URL=database_url) as process:
        assert process.stdout is not None
        told: list[str] = []
        for line in process.stdout:
            told.append(line)
            if line.startswith("Let staff in with ./scripts/ledger staff add"):
                break
        process.terminate()
    assert "key issue" in told[-2]
    assert any('--header "X-API-Key: $API_KEY"' in line for line in told), "the shell puts the key in"
    assert not (folder / "demo.json").exists()


def test_a_database_that_is_away_is_told_without_its_password(folder):
    url = "postgresql://somebody:opensesame@127.0.0.1:1/ledger"
    code, said = refused(folder, "--port", "0", LEDGER_DATABASE_URL=url)
    assert code == 3
    assert "PostgreSQL 15" in said
    assert "opensesame" not in said


@pytest.mark.parametrize(
    "environment",
    [
        {"LEDGER_NOSUCH": "1"},
        {"LEDGER_WORKERS": "many"},
        {"LEDGER_HOST": "nosuch.invalid"},
        {"LEDGER_HOST": "203.0.113.9"},
        {"LEDGER_DATABASE_URL": "postgresql://ledger:many%zz@127.0.0.1/ledger"},
    ],
)
def test_a_setting_that_cannot_be_used_is_told_by_name(folder, environment):
    code, said = refused(folder, **environment)
    assert code == 2
    assert next(iter(environment)) in said


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _is_gone(pid: int, parent: int) -> bool:
    return pid not in _children(parent, "scripts.workers")


def _children(parent: int, name: str) -> list[int]:
    """Return the children of a process that have this in their command line."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in found if name in _command_line(int(pid))]
