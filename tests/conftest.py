"""Where does a test get a real PostgreSQL?

One server for the run: the embedded one, in a folder of its own and without fsync, or the one that
TEST_DATABASE_URL names (PostgreSQL 15 or later, a superuser). Migrations run once, into a template;
`database_url` is a fresh copy of it for one test, `new_database` for as long as its block lasts.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from psycopg.sql import SQL, Identifier

from projections.migrations import migrate
from scripts.embedded import EmbeddedPostgres
from scripts.embedded.configuration import FOR_TESTS

NewDatabase = Callable[[], AbstractContextManager[str]]

# No deadline: a machine busy with something else is no failure. No example database: nothing is written here.
settings.register_profile("ledger", deadline=None, database=None, print_blob=True)
settings.load_profile("ledger")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Yield the URL of the run's server, as superuser, to its `postgres` database."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="ledger-tests-"))
    try:
        with EmbeddedPostgres(folder, "tests", alone=True, settings=FOR_TESTS) as server:
            yield server.url()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def new_database(server_url: str) -> Iterator[NewDatabase]:
    """Yield a function that makes a migrated, empty database and drops it when its block ends."""
    run = uuid4().hex[:8]
    template = f"ledger_test_{run}_template"
    made = 0

    with psycopg.connect(server_url, autocommit=True) as admin:

        @contextmanager
        def new() -> Iterator[str]:
            nonlocal made
            made += 1
            name = f"ledger_test_{run}_{made}"
            admin.execute(
                SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(Identifier(name), Identifier(template))
            )
            try:
                yield _in_database(server_url, name)
            finally:
                admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

        admin.execute(SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(Identifier(template)))
        try:
            migrate(_in_database(server_url, template))
            yield new
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(template)))


@pytest.fixture
def database_url(new_database: NewDatabase) -> Iterator[str]:
    """Yield the URL, as superuser, of a migrated and empty database that is this test's alone."""
    with new_database() as url:
        yield url


def _in_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()
