"""Which database do the verbs work on, and how do they end?

On that of `LEDGER_DATABASE_URL`, or on the embedded one of `LEDGER_DATA_DIR`, whether it is being served or not.
Exit codes: 0 fine, 1 findings, 2 refused, 3 unavailable, 4 a mistake of this program.
"""

import getpass
import json
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from api.bootstrap import build_ledger
from api.settings import Settings, read_settings
from domain.errors import LedgerError, LedgerUnavailable
from domain.ledger import Ledger
from domain.receipt import Caller
from projections.migrations import check_roles, migrate
from scripts.data_folder import data_folder

FINE, FINDINGS, USAGE, UNAVAILABLE, MISTAKE = 0, 1, 2, 3, 4
DATABASE = "ledger"


class FileUnusable(LedgerUnavailable):
    """A file or folder cannot be used."""


@contextmanager
def database_url(settings: Settings | None = None) -> Iterator[str]:
    """Yield the URL of the owner's connection; the embedded server is started for the while when it is not running."""
    settings = settings or read_settings()
    if settings.database_url is not None:
        yield settings.database_url
        return
    from scripts.embedded import EmbeddedPostgres  # not installed where a database is given

    with EmbeddedPostgres(data_folder(settings)) as server:
        yield server.database(DATABASE)


@contextmanager
def ledger() -> Iterator[Ledger]:
    """Yield the ledger on a migrated database."""
    with database_url() as url:
        migrate(url)
        check_roles(url)
        with build_ledger(url) as opened:
            yield opened


def operator(organization_id: str) -> Caller:
    """Return the person at this terminal as events tell them."""
    return Caller(organization_id, f"operator:{getpass.getuser()}", f"cli_{uuid4().hex}", source="manual")


def show(result: Mapping[str, Any] | list[Any], as_json: bool) -> None:
    """Print a result: one JSON value, or `name: value` lines."""
    if as_json:
        print(json.dumps(result))
        return
    for row in result if isinstance(result, list) else [result]:
        print("  ".join(f"{name}: {value}" for name, value in row.items() if value is not None))


def fail(error: LedgerError) -> int:
    """Say what went wrong on standard error; return the exit code."""
    details = ", ".join(f"{name}: {value}" for name, value in error.details.items())
    print(f"{error}{f' ({details})' if details else ''}", file=sys.stderr)
    return UNAVAILABLE if isinstance(error, LedgerUnavailable) else USAGE


def fail_by_mistake(error: Exception) -> int:
    """Say on standard error where the program went wrong, without the message: it may hold a value; return the code."""
    places = "".join(traceback.format_tb(error.__traceback__))
    print(f"{places}{type(error).__name__}: a mistake of this program; please report the lines above.", file=sys.stderr)
    return MISTAKE
