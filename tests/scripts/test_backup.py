"""A backup is whole or has no name; what comes back is what was, and says what it lost."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from domain.errors import LedgerError
from domain.signed_note import SigningKey
from projections.checkpoint_folder import CheckpointFolder
from projections.follow import Following
from projections.sign import Signer
from projections.tracking import FollowerRecorder
from projections.verify import verify
from scripts.backup import manifest as manifests
from scripts.backup import programs
from scripts.backup.make import FolderTaken, NothingToBackUp, NotWhole, back_up
from scripts.backup.manifest import DamagedBackup, Manifest, NewerBackup, NoBackup
from scripts.backup.programs import ProgramFailed
from scripts.backup.restore import LedgerNotEmpty, NoScratchDatabase, Restored, restore, try_out
from scripts.signing_key import signing_key
from tests.clinic import Clinic, asked, check_positions, open_ledger
from tests.conftest import NewDatabase
from tests.scripts.waiting import until

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01", "phone_number": "+12125550142"}
SECRET = "opensesame"


@dataclass
class Site:
    """A clinic's ledger, its data folder with what was signed, and a place for backups."""

    clinic: Clinic
    folder: Path

    @property
    def key(self) -> SigningKey:
        return signing_key(self.folder)

    @property
    def checkpoints(self) -> CheckpointFolder:
        return CheckpointFolder(self.folder / "checkpoints")

    def send(self, number: int) -> int:
        """Send a record that brings something new, and return the head."""
        self.clinic.send(**ANN, comments=f"note {number}")
        return check_positions(self.clinic.url)

    def sign(self, url: str | None = None) -> int:
        """Sign everything, and keep the checkpoint outside of the database; return its size."""
        later = datetime.now(UTC) + timedelta(days=len(self.checkpoints.sizes()) + 1)
        recorder = FollowerRecorder(url or self.clinic.url)
        with recorder.connect("checkpoints") as connection:
            following = Following(Signer(self.key, self.checkpoints, lambda: later), recorder, connection, "test")
            assert following.become_active()
            while following.step():
                pass
            following._next_beat = 0.0
            following.step()
        return self.checkpoints.sizes()[-1]

    def back_up(self, name: str = "backup", **options: bool) -> Manifest:
        return back_up(self.clinic.url, self.folder / name, self.key.verifier, self.checkpoints, **options)

    def restore(self, url: str, name: str = "backup") -> Restored:
        return restore(url, self.folder / name, self.key.verifier, self.checkpoints)


@pytest.fixture
def site(clinic: Clinic, folder: Path) -> Site:
    made = Site(clinic, folder)
    for number in range(3):
        made.send(number)
    made.sign()
    return made


@pytest.fixture
def bare(server_url: str, new_database: NewDatabase) -> Iterator[Callable[[], str]]:
    """Yield a function that makes a database without tables."""
    with psycopg.connect(server_url, autocommit=True) as admin, new_database() as beside:
        made: list[str] = []

        def make() -> str:
            name = f"{beside.partition('?')[0].rpartition('/')[2]}_bare_{len(made)}"
            admin.execute(SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(Identifier(name)))
            made.append(name)
            return beside.replace(name.partition("_bare")[0], name)

        yield make
        for name in made:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture(params=[0, 990_000], ids=["by pg_restore", "as on an older server"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore in both ways, whatever the server."""
    monkeypatch.setattr(programs, "KNOWS_TRANSACTION_TIMEOUT", request.param)


# ---- the way there and back


@pytest.mark.usefixtures("way")
def test_what_is_restored_is_what_was_backed_up_and_goes_on(site: Site, bare: Callable[[], str]):
    manifest = site.back_up()
    url = bare()
    restored = site.restore(url)
    assert restored.passed
    assert (restored.differing, restored.verdict.findings) == ([], [])
    assert check_positions(url) == manifest.position == restored.verdict.position
    rows = "SELECT * FROM ledger_events ORDER BY position"
    assert asked(url, rows) == asked(site.clinic.url, rows)
    assert restored.verdict.checkpoints == 1
    with Clinic(url, open_ledger(url), site.clinic.id).ledger as ledger:
        again = Clinic(url, ledger, site.clinic.id)
        assert again.send(**ANN, comments="note 2").events == ()
        assert again.send(**ANN, comments="after the restore").position == manifest.position + 2
    assert site.sign(url) == manifest.position + 2


def test_a_backup_under_load_is_of_one_moment(site: Site, bare: Callable[[], str]):
    over = threading.Event()

    def write() -> int:
        number = 100
        while not over.is_set():
            site.send(number := number + 1)
        return number

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        try:
            manifest = site.back_up()
        finally:
            over.set()
        assert written.result(30) > 101
    assert manifest.verified_at is not None
    assert manifest.position < check_positions(site.clinic.url)
    assert site.restore(bare()).passed


@pytest.mark.usefixtures("way")
def test_a_ledger_that_was_migrated_and_holds_nothing_is_restored_into(site: Site, new_database: NewDatabase):
    site.back_up()
    with new_database() as url:
        assert site.restore(url).passed
        assert check_positions(url) == check_positions(site.clinic.url)


def test_a_ledger_that_holds_something_is_left_alone(site: Site):
    before = site.back_up().position
    after = site.send(7)
    with pytest.raises(LedgerNotEmpty):
        site.restore(site.clinic.url)
    assert check_positions(site.clinic.url) == after > before


def test_who_signed_out_is_not_signed_in_by_a_restore(site: Site, bare: Callable[[], str]):
    with psycopg.connect(site.clinic.url) as owner:
        owner.execute(
            "INSERT INTO staff (organization_id, id, login, name, role) VALUES (%s, %s, 'dana', 'Dana', 'clinician')",
            (site.clinic.id, site.clinic.id),
        )
        owner.execute(
            "INSERT INTO staff_sessions (token_hash, organization_id, staff_id) VALUES ('\\x00', %s, %s)",
            (site.clinic.id, site.clinic.id),
        )
    site.back_up()
    url = bare()
    assert site.restore(url).passed
    assert asked(url, "SELECT login FROM staff") == [("dana",)]
    assert asked(url, "SELECT FROM staff_sessions") == []


# ---- honesty


def test_a_restore_that_loses_entries_says_so_by_what_was_signed_outside(site: Site, bare: Callable[[], str]):
    """The ledger went back in time: a checkpoint that was kept elsewhere says what is missing."""
    position = site.back_up().position
    site.send(8)
    signed = site.sign()
    url = bare()
    restored = site.restore(url)
    assert not restored.passed
    assert restored.differing == []
    (finding,) = restored.verdict.findings
    assert (finding.what, finding.position) == ("rolled back", position + 1)
    assert f"{signed} entries were signed and {position} are there" in finding.detail
    assert check_positions(url) == position, "it is restored all the same"
    assert verify(url, site.key.verifier, site.checkpoints).findings == [finding], "whoever asks later hears the same"

    aside = site.folder / "checkpoints-of-lost-entries"
    aside.mkdir()
    for path in (site.folder / "checkpoints").glob("*.checkpoint"):
        if int(path.stem) > position:
            path.rename(aside / path.name)
    with Clinic(url, open_ledger(url), site.clinic.id).ledger as ledger:
        Clinic(url, ledger, site.clinic.id).send(**ANN, comments="another future")
    assert site.sign(url) == position + 2, "once the loss is accepted, signing goes on"


def test_a_newer_checkpoint_than_the_backup_does_not_fail_its_trial(site: Site):
    """What is signed while the backup is being made is no contradiction."""
    site.back_up("unverified", verified=False)
    site.send(9)
    site.sign()
    assert try_out(site.clinic.url, site.folder / "unverified").passed


# ---- what is not whole


def test_a_ledger_that_is_not_whole_gives_no_backup(site: Site):
    with psycopg.connect(site.clinic.url) as owner:
        owner.execute("UPDATE patients SET last_name = 'somebody'")
    with pytest.raises(NotWhole) as refused:
        site.back_up()
    assert [each.what for each in refused.value.restored.verdict.findings] == ["read model differs"]
    assert not (site.folder / "backup").exists()
    assert (site.folder / "backup.partial").exists()
    assert "Lee" not in str(refused.value.details)


def test_half_a_backup_is_begun_anew_and_a_whole_one_never_overwritten(site: Site):
    half = site.folder / "backup.partial"
    half.mkdir()
    (half / manifests.DUMP).write_text("half of it")
    site.back_up()
    assert not half.exists()
    with pytest.raises(FolderTaken):
        site.back_up()


def test_what_a_killed_trial_left_on_the_server_is_cleared_away_by_the_next(site: Site):
    def scratch() -> set[str]:
        query = "SELECT datname FROM pg_database WHERE datname LIKE 'ledger_scratch_%%'"
        return {name for (name,) in asked(site.clinic.url, query)}

    before = scratch()
    command = [sys.executable, "-m", "scripts.ledger", "backup", str(site.folder / "killed")]
    with subprocess.Popen(command, env={**os.environ, "LEDGER_DATABASE_URL": site.clinic.url}) as backing_up:
        until(lambda: scratch() - before, 60)
        began = scratch() - before
        backing_up.kill()
    site.back_up()
    assert not (site.folder / "killed").exists()
    assert began
    assert not began & scratch()


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, tuple[Callable[[Path], object], type[LedgerError]]] = {
    "a flipped bit": (lambda folder: _flip(folder / manifests.DUMP), DamagedBackup),
    "a short dump": (lambda folder: os.truncate(folder / manifests.DUMP, 1000), DamagedBackup),
    "no dump": (lambda folder: (folder / manifests.DUMP).unlink(), DamagedBackup),
    "no manifest": (lambda folder: (folder / manifests.FILE).unlink(), NoBackup),
    "half a manifest": (lambda folder: os.truncate(folder / manifests.FILE, 100), DamagedBackup),
    "a list for a manifest": (lambda folder: (folder / manifests.FILE).write_text("[]"), DamagedBackup),
    "a newer form": (lambda folder: _change(folder, form=99, something="new"), NewerBackup),
    "a newer migration": (lambda folder: _change(folder, migrations={"9999_later": "00"}), NewerBackup),
}


def _change(folder: Path, **members: Any) -> None:
    path = folder / manifests.FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | members))


@pytest.fixture(scope="module")
def one_backup(new_database: NewDatabase) -> Iterator[Path]:
    """Yield a backup that is made once; damage a copy."""
    with new_database() as url, open_ledger(url) as ledger, tempfile.TemporaryDirectory() as folder:
        Clinic(url, ledger).found().send(**ANN)
        back_up(url, Path(folder, "backup"), None, CheckpointFolder(Path(folder, "checkpoints")), verified=False)
        yield Path(folder, "backup")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_backup_is_refused_before_anything_is_changed(
    one_backup: Path, folder: Path, bare: Callable[[], str], damage: str
):
    copy, url = folder / "copy", bare()
    shutil.copytree(one_backup, copy)
    harm, refusal = DAMAGE[damage]
    harm(copy)
    with pytest.raises(refusal):
        restore(url, copy, None, CheckpointFolder(folder / "checkpoints"))
    assert asked(url, "SELECT FROM pg_tables WHERE schemaname = 'public'") == []


@pytest.mark.usefixtures("way")
def test_a_restore_that_fails_half_way_leaves_nothing_and_quotes_no_row(site: Site, bare: Callable[[], str]):
    site.back_up(verified=False)
    url = bare()
    with psycopg.connect(url) as owner:
        owner.execute("CREATE TABLE patients (id text)")
    with pytest.raises(ProgramFailed) as failed:
        site.restore(url)
    assert failed.value.details["reason"] == "something of this name is there already"
    assert asked(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("patients",)]


def test_an_older_server_is_not_told_what_it_does_not_know_and_keeps_nothing_of_half_a_dump(
    bare: Callable[[], str], folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """`SET transaction_timeout` is what every pg_restore since 17 says, and a PostgreSQL 15 or 16 refuses."""
    find = programs.find
    monkeypatch.setattr(programs, "find", lambda name: folder / name if name == "pg_restore" else find(name))
    said = [
        *("SET lock_timeout = 0;", "SET transaction_timeout = 0;", "SET client_encoding = 'UTF8';"),
        "CREATE TABLE asked AS SELECT current_setting('transaction_timeout'), 'SET transaction_timeout = 0;' AS said;",
    ]
    url = f"{bare()}&options=-c%20transaction_timeout%3D60s"
    for code, kept in ((1, []), (0, [("1min", "SET transaction_timeout = 0;")])):
        (folder / "pg_restore").write_text("\n".join(["#!/bin/sh", "cat <<'END'", *said, "END", f"exit {code}", ""]))
        (folder / "pg_restore").chmod(0o700)
        with pytest.raises(ProgramFailed) if code else nullcontext():
            programs.restore(url, folder / "dump", server_version=150_000)
        there = asked(url, "SELECT to_regclass('asked') IS NOT NULL") == [(True,)]
        assert (asked(url, "SELECT * FROM asked") if there else []) == kept


def test_a_database_without_a_ledger_is_told(bare: Callable[[], str], folder: Path):
    with pytest.raises(NothingToBackUp):
        back_up(bare(), folder / "backup", None, CheckpointFolder(folder / "checkpoints"))
    assert not (folder / "backup").exists()


def test_an_owner_who_may_not_create_a_database_backs_up_unverified(site: Site, server_url: str):
    """On a server of somebody else's the trial is made on another machine: `restore --check`."""
    name = site.clinic.url.partition("?")[0].rpartition("/")[2]
    owner = f"{name}_owner"
    with psycopg.connect(site.clinic.url, autocommit=True) as admin:
        admin.execute(SQL("CREATE ROLE {} LOGIN NOSUPERUSER").format(Identifier(owner)))
        try:
            admin.execute(SQL("REASSIGN OWNED BY CURRENT_USER TO {}").format(Identifier(owner)))
        except psycopg.errors.DependentObjectsStillExist:
            for (table,) in asked(site.clinic.url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
                admin.execute(SQL("ALTER TABLE {} OWNER TO {}").format(Identifier(table), Identifier(owner)))
        url = site.clinic.url.replace("postgres@", f"{owner}@")
        try:
            with pytest.raises(NoScratchDatabase):
                back_up(url, site.folder / "backup", site.key.verifier, site.checkpoints)
            back_up(url, site.folder / "backup", site.key.verifier, site.checkpoints, verified=False)
            assert try_out(server_url, site.folder / "backup").passed
        finally:
            admin.execute(SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(Identifier(owner)))
            admin.execute(SQL("DROP OWNED BY {}").format(Identifier(owner)))
            admin.execute(SQL("DROP ROLE {}").format(Identifier(owner)))


# ---- at the command line


def ledger(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.ledger", *words],
        env={**os.environ, "LEDGER_DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_from_one_machine_to_another_at_the_command_line(site: Site, folder: Path):
    made = ledger(folder, "backup", str(folder / "monday"), "--json", LEDGER_DATABASE_URL=site.clinic.url)
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["position"] == check_positions(site.clinic.url)
    assert told["verified_at"]
    assert (folder / "monday").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in (folder / "monday").glob("*.dump")} == {0}

    elsewhere = folder / "elsewhere"
    back = ledger(elsewhere, "restore", str(folder / "monday"), "--json")
    assert back.returncode == 0, back.stderr
    assert json.loads(back.stdout)["passed"]
    assert f"signing key back at {elsewhere}/signing-key" in back.stderr
    assert "Nothing here can show whether the ledger went back in time" in back.stderr
    assert f"Put checkpoints (with signing-key and verifier-key) into {elsewhere}" in back.stderr
    again = ledger(elsewhere, "restore", str(folder / "monday"))
    assert again.returncode == 2
    assert "There is a ledger in this database already" in again.stderr

    shutil.copytree(folder / "checkpoints", folder / "third" / "checkpoints")
    shutil.copy(folder / "verifier-key", folder / "third")
    site.send(10)
    site.sign()
    shutil.copytree(folder / "checkpoints", folder / "third" / "checkpoints", dirs_exist_ok=True)
    late = ledger(folder / "third", "restore", str(folder / "monday"))
    assert late.returncode == 1
    assert "rolled back" in late.stdout
    assert "Nothing here can show" not in late.stderr


def test_the_password_stands_on_no_command_line(site: Site, folder: Path):
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    seen.add(_command_line(int(entry.name)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    made = ledger(folder, "backup", str(folder / "b"), LEDGER_DATABASE_URL=f"{site.clinic.url}&password={SECRET}")
    until(lambda: any("pg_dump" in line for line in seen) and any("pg_restore" in line for line in seen))
    over.set()
    watcher.join(30)
    assert made.returncode == 0, made.stderr
    assert [line for line in seen if SECRET in line] == []
    assert SECRET not in made.stdout + made.stderr
    assert [path for path in (folder / "b").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _open(url: str) -> Any:
    from tests.clinic import open_ledger

    return open_ledger(url)


def test_a_place_that_cannot_be_written_is_named_and_is_no_finding(site: Site, folder: Path):
    (folder / "file").touch()
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.ledger", "backup", str(folder / "file" / "backup")],
        env={**os.environ, "LEDGER_DATABASE_URL": site.clinic.url, "LEDGER_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert (
        ended.stderr
        == f"A file or folder cannot be used. (file: {folder}/file/backup.partial, reason: Not a directory)\n"
    )
