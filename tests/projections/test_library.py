"""Does the library still do what the recorder relies on, and does nothing switch its losses on?"""

import inspect
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import psycopg
import psycopg_pool
import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import EventStore, Mapper, Recording, StoredEvent, Transcoder
from eventsourcing.postgres import (
    ConnectionPool,
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
)
from psycopg.conninfo import conninfo_to_dict

from domain.entry import CanonicalJSON, EntryMapper
from domain.errors import UnsafeSetting
from domain.events import CommentsChanged
from domain.ledger import Ledger
from projections.event_store import Datastore, Factory, Recorder
from tests.clinic import Clinic, asked, check_positions, open_ledger

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01"}


# ---- the library


def test_the_library_is_the_version_that_was_read():
    assert version("eventsourcing") == "9.5.6"


OVERRIDDEN = [
    (Recorder, PostgresApplicationRecorder, "_lock_table", "(self, curs)"),
    (Recorder, PostgresApplicationRecorder, "_notify_channel", "(self, curs)"),
    (Recorder, PostgresApplicationRecorder, "insert_events", "(self, stored_events, **kwargs)"),
    (Recorder, PostgresApplicationRecorder, "max_notification_id", "(self)"),
    (Datastore, PostgresDatastore, "after_connect_func", "(self)"),
    (Datastore, PostgresDatastore, "register_type_adapters", "(self)"),
    (Factory, PostgresFactory, "__init__", "(self, env)"),
    (Factory, PostgresFactory, "env_create_table", "(self)"),
    (Ledger, Application, "construct_transcoder", "(self)"),
    (Ledger, Application, "construct_mapper", "(self)"),
    (EntryMapper, Mapper, "to_stored_event", "(self, domain_event)"),
    (EntryMapper, Mapper, "to_domain_event", "(self, stored_event)"),
    (CanonicalJSON, Transcoder, "encode", "(self, obj)"),
    (CanonicalJSON, Transcoder, "decode", "(self, data)"),
]


def _signature(function: Any) -> str:
    parameters = inspect.signature(function).parameters.values()
    return f"({', '.join(str(each.replace(annotation=each.empty)) for each in parameters)})"


@pytest.mark.parametrize(("ours", "theirs", "name", "signature"), OVERRIDDEN, ids=[each[2] for each in OVERRIDDEN])
def test_what_is_overridden_is_still_there_and_takes_the_same(ours: type, theirs: type, name: str, signature: str):
    assert name in vars(ours)
    assert _signature(getattr(theirs, name)) == signature
    taken = set(inspect.signature(getattr(ours, name)).parameters)
    named = set(inspect.signature(getattr(theirs, name)).parameters) - {"kwargs"}
    assert named <= taken


def test_nothing_else_of_the_library_is_overridden():
    others = {"__init__", "name", "application_recorder_class", "_abc_impl", "_is_protocol"}
    for ours in (Recorder, Datastore, Factory, Ledger, EntryMapper, CanonicalJSON):
        bases = [base for base in ours.__mro__[1:] if base.__module__.startswith("eventsourcing")]
        inherited = {name for base in bases for name in vars(base)}
        own = {name for name in vars(ours) if not name.startswith("__")}
        assert own & inherited - others <= {name for each, _, name, _ in OVERRIDDEN if each is ours}


def test_the_datastore_and_the_factory_set_what_we_read():
    parameters = inspect.signature(PostgresDatastore.__init__).parameters
    assert {
        "dbname", "host", "port", "user", "password", "pool_size", "max_overflow", "max_waiting", "connect_timeout",
        "lock_timeout", "idle_in_transaction_session_timeout",
    } <= set(parameters)  # fmt: skip
    source = inspect.getsource(PostgresDatastore.__init__)
    assert "self.pool = ConnectionPool(" in source
    assert "open=False" in source
    assert "configure=self.after_connect_func()" in source
    for name in (
        "POSTGRES_DBNAME", "POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_POOL_SIZE",
        "POSTGRES_MAX_OVERFLOW", "POSTGRES_MAX_WAITING", "POSTGRES_CONNECT_TIMEOUT", "POSTGRES_LOCK_TIMEOUT",
        "POSTGRES_ENABLE_DB_FUNCTIONS", "CREATE_TABLE",
    ):  # fmt: skip
        assert getattr(PostgresFactory, name) == name
    assert "application_recorder_class" in inspect.getsource(PostgresFactory.application_recorder)
    assert issubclass(ConnectionPool, psycopg_pool.ConnectionPool)


class _Watched(PostgresApplicationRecorder):
    """The stock recorder, telling which of its parts were used."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.used: list[str] = []

    def _lock_table(self, curs: psycopg.Cursor[Any]) -> None:
        self.used.append("lock")
        super()._lock_table(curs)

    def _notify_channel(self, curs: psycopg.Cursor[Any]) -> None:
        self.used.append("notify")
        super()._notify_channel(curs)


def _stock(url: str, **settings: Any) -> Iterator[_Watched]:
    parts = conninfo_to_dict(url)
    with PostgresDatastore(
        str(parts["dbname"]), str(parts["host"]), str(parts.get("port", 5432)), str(parts["user"]), "", **settings
    ) as datastore:
        recorder = _Watched(datastore, events_table_name="stock_events")
        recorder.create_table()
        yield recorder


@pytest.fixture
def stock(database_url: str) -> Iterator[_Watched]:
    yield from _stock(database_url, pool_size=2)


@pytest.fixture
def stock_with_functions(database_url: str) -> Iterator[_Watched]:
    yield from _stock(database_url, pool_size=2, enable_db_functions=True)


def _stock_event() -> StoredEvent:
    return StoredEvent(originator_id=uuid4(), originator_version=1, topic="t", state=b"{}")


def test_the_stock_recorder_still_locks_and_notifies_through_the_methods_that_are_overridden(stock: _Watched):
    assert stock.insert_events([_stock_event()]) == [1]
    assert stock.used == ["lock", "notify"]


def test_the_stock_recorder_stops_behind_such_a_lock(stock: _Watched, database_url: str):
    """The reason for taking no table lock, as long as it is one."""
    with psycopg.connect(database_url) as owner, psycopg.connect(database_url) as other:
        owner.execute("LOCK TABLE stock_events IN SHARE UPDATE EXCLUSIVE MODE")
        other.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(stock.lock_table_statements[1])


def test_the_library_hands_the_unit_of_work_to_the_recorder_and_its_positions_back(clinic: Clinic):
    patient = clinic.send(**ANN).patient
    head = check_positions(clinic.url)
    changes = [CommentsChanged(old=None, new="1"), CommentsChanged(old="1", new="2")]
    drafts = clinic.drafts(patient.id, patient.version, *changes)
    assert isinstance(clinic.ledger.events, EventStore)
    with clinic.ledger.recorder.unit_of_work([clinic.id]) as work:
        work.lock_patients(clinic.id, [patient.id])
        recordings = clinic.ledger.events.put(drafts, work=work)
    assert all(isinstance(each, Recording) for each in recordings)
    assert [each.domain_event for each in recordings] == drafts
    assert [each.notification.id for each in recordings] == [head + 1, head + 2]
    assert clinic.ledger.recorder.max_notification_id() == head + 2


def test_an_append_outside_a_unit_of_work_is_a_wrong_program(clinic: Clinic):
    with pytest.raises(TypeError):
        clinic.ledger.recorder.insert_events([])


# ---- settings that would lose events


@pytest.mark.parametrize("name", ["POSTGRES_ENABLE_DB_FUNCTIONS", "CREATE_TABLE"])
@pytest.mark.parametrize("prefix", ["", "LEDGER_"])
@pytest.mark.parametrize("value", ["y", "yes", "True", "1", "on"])
def test_a_setting_that_would_lose_events_keeps_the_ledger_from_starting(name: str, prefix: str, value: str):
    with pytest.raises(UnsafeSetting) as refused:
        open_ledger("postgresql://nobody@127.0.0.1:9/none", **{prefix + name: value})
    assert refused.value.details == {"setting": name}


@pytest.mark.parametrize("name", ["POSTGRES_ENABLE_DB_FUNCTIONS", "LEDGER_POSTGRES_ENABLE_DB_FUNCTIONS"])
def test_the_same_setting_in_the_environment_of_the_process_does_too(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, "yes")
    with pytest.raises(UnsafeSetting):
        open_ledger("postgresql://nobody@127.0.0.1:9/none")


def test_a_worker_never_creates_tables(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CREATE_TABLE", "yes")
    before = asked(database_url, "SELECT count(*) FROM pg_class")
    with open_ledger(database_url, POSTGRES_ENABLE_DB_FUNCTIONS="no") as ledger:
        assert isinstance(ledger.recorder, Recorder)
        assert not ledger.factory.env_create_table()  # type: ignore[attr-defined] # of this factory
        Clinic(database_url, ledger).found()
    assert asked(database_url, "SELECT count(*) FROM pg_class") == before


def test_with_database_functions_a_reader_of_the_stock_recorder_loses_events(
    stock_with_functions: _Watched, database_url
):
    """Why the setting is refused: without the table lock a later position commits first, and is read past."""
    stock = stock_with_functions
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "SELECT * FROM es_insert_events_uuid(ARRAY[ROW(%s, 1, 't', ''::bytea)::stored_event_uuid])", (uuid4(),)
        )
        assert stock.insert_events([_stock_event()]) == [2]
        assert stock.used == []
        seen = [each.id for each in stock.select_notifications(start=1, limit=10)]
        slow.commit()
    seen += [each.id for each in stock.select_notifications(start=max(seen), limit=10, inclusive_of_start=False)]
    assert seen == [2]
    assert [each.id for each in stock.select_notifications(start=1, limit=10)] == [1, 2]
