"""How does everything start and stop? PostgreSQL, migrations, the demo organization, the workers; and back."""

import argparse
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg

from api.settings import Settings, read_settings
from domain.errors import LedgerError, LedgerUnavailable
from projections.migrations import check_roles, migrate
from scripts import demo
from scripts.data_folder import data_folder
from scripts.followers import Followers
from scripts.verbs.connection import FINE, FileUnusable, fail
from scripts.workers import Workers, base_url

OLDEST = 150_000
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class PortTaken(LedgerUnavailable):
    """Something else listens on this address and port; stop it, or give another with --port."""


class HostUnusable(LedgerError):
    """LEDGER_HOST is not a name or address of this machine."""


class DatabaseUnusable(LedgerUnavailable):
    """The database cannot be used; the ledger needs PostgreSQL 15 or later, as the owner of a database."""


class Stop(BaseException):
    """Somebody asked us to end."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal; return the exit code."""
    for number in SIGNALS:
        signal.signal(number, _stop)
    try:
        _serve(_read(arguments))
    except Stop:
        _say("Stopped.")
        return FINE
    except LedgerError as error:
        return fail(error)
    except OSError as error:
        return fail(FileUnusable(file=error.filename, reason=error.strerror))
    return FINE


def _read(arguments: list[str] | None) -> Settings:
    parser = argparse.ArgumentParser(prog="./scripts/serve", description="Serve the patient ledger.")
    parser.add_argument("--port", metavar="N", help="port to listen on (LEDGER_PORT, 8080); 0 takes a free one")
    parser.add_argument("--data-dir", metavar="DIR", help="where PostgreSQL and demo.json live (LEDGER_DATA_DIR)")
    given = parser.parse_args(arguments)
    for name, value in (("LEDGER_PORT", given.port), ("LEDGER_DATA_DIR", given.data_dir)):
        if value is not None:
            os.environ[name] = value
    settings = read_settings()
    return settings.model_copy(update={"port": _free_port(settings), "data_dir": data_folder(settings)})


def _free_port(settings: Settings) -> int:
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise HostUnusable(host=settings.host, reason=error.strerror) from None
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise HostUnusable(host=settings.host, reason=error.strerror) from None
            raise PortTaken(address=f"{settings.host}:{settings.port}", reason=error.strerror) from None
        port: int = probe.getsockname()[1]
        return port


def _serve(settings: Settings) -> None:
    assert settings.data_dir is not None
    with _database(settings, settings.data_dir) as (url, check):
        _migrate(url)
        told = demo.prepare(url, settings.data_dir / "demo.json", base_url(settings))
        with Followers(str(settings.data_dir), url) as followers, Workers(settings, url) as workers:
            _announce(settings, told)
            while True:
                workers.check(seconds=1)
                followers.check()
                check()


@contextmanager
def _database(settings: Settings, directory: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the owner's URL, and a function that raises LedgerUnavailable once our own server has ended."""
    if settings.database_url is not None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield settings.database_url, lambda: None
        return
    from scripts.embedded import EmbeddedPostgres  # not installed where a database is given

    with EmbeddedPostgres(directory, "serve", alone=True) as server:
        yield server.database("ledger"), server.check


def _migrate(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            if connection.info.server_version < OLDEST:
                raise DatabaseUnusable(reason=f"it is PostgreSQL {connection.info.server_version // 10000}")
        migrate(url)
        check_roles(url)
    except psycopg.Error as error:
        raise DatabaseUnusable(reason=str(error).strip()) from error


def _announce(settings: Settings, told: dict[str, Any] | None) -> None:
    url = base_url(settings)
    key = '"X-API-Key: $API_KEY"' if told is None else f"'X-API-Key: {told['api_key']}'"
    history = "/panel" if told is None else told["history_path"]
    link = "" if told is None else " (a link signs in once, within a day)"
    body = (
        '{"first_name": "Ann", "last_name": "Garcia", "date_of_birth": "03/01/1980", "phone_number": "(212) 555-0142"}'
    )
    print(
        f"""
The patient ledger answers at {url}
Its History, for the eyes of staff{link}: {url}{history}
A first upsert:

  curl --request POST {url}/v1/patients/upsert \\
    --header {key} --header 'Content-Type: application/json' \\
    --data '{body}'
""",
        flush=True,
    )
    if told is None:
        print("The database was in use before: ./scripts/ledger org list tells the ids of its organizations.")
        print("Make a key with ./scripts/ledger key issue --organization ID.")
        print(f"Let staff in with ./scripts/ledger staff add LOGIN --organization ID --name NAME --base-url {url}.")
    else:
        print(f"The ids of the organization demo are in {settings.data_dir}/demo.json. Ctrl-C stops everything.")
    sys.stdout.flush()


def _say(line: str) -> None:
    """Print a line, though it be in the middle of another print, or to a terminal that was closed."""
    with suppress(OSError):
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


def _stop(_number: int, _frame: FrameType | None) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # we are on our way
    _say("Stopping: requests in flight finish first …")
    raise Stop


if __name__ == "__main__":
    sys.exit(main())
