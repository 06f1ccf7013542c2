"""Does the library still do what the recorder relies on, and are positions what the design says of them?"""

import inspect
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from threading import Event
from typing import Any
from uuid import UUID, uuid4

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

from domain.entry import CanonicalJSON, Draft, EntryMapper, StoredEntry, instant
from domain.errors import LedgerUnavailable, UnsafeSetting, WriteConflict
from domain.events import CommentsChanged
from domain.ledger import Ledger, Receipt
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


# ---- positions


def _waits(url: str) -> None:
    """Ask until a transaction of the ledger waits for a lock."""
    waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'patient-ledger' AND wait_event_type = 'Lock'"
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(20_000):
            if connection.execute(waiting + " AND datname = current_database()").fetchall():
                return
    raise AssertionError("nobody waited")


def test_a_reader_of_the_ledger_never_sees_a_position_without_those_before_it(clinic: Clinic):
    """Two appends at once: the second waits with its position until the first has committed."""
    head, patient = check_positions(clinic.url), clinic.send(**ANN).patient
    with psycopg.connect(clinic.url) as first, ThreadPoolExecutor(1) as pool:
        first.execute("UPDATE ledger_head SET position = position + 1")
        second = pool.submit(clinic.send, first_name="Bob", last_name="Stone", date_of_birth="1971-12-24")
        _waits(clinic.url)
        assert asked(clinic.url, "SELECT max(position) FROM ledger_events") == [(head + 1,)]
        first.rollback()
        assert second.result(30).position == head + 2
    assert patient.version == 1
    check_positions(clinic.url)


def test_positions_are_gapless_under_writers_of_which_half_fail(clinic: Clinic):
    """Rollback gives positions back; who reads while others write sees max = count = head, every time."""
    patients = [clinic.send(first_name=name, phone_number="212-555-0142").patient.id for name in ("Ann", "Bob")]
    writing = Event()
    writing.set()

    def storm(seed: int) -> int:
        rolled, stored = random.Random(seed), 0
        for turn in range(40):
            if rolled.random() < 0.5:
                stored += len(clinic.send(phone_number=f"+1212{2_000_000 + seed * 100 + turn}").events)
            else:
                with pytest.raises(WriteConflict):
                    _fail_after_the_head_was_taken(clinic, rolled.choice(patients))
        return stored

    def watch() -> list[int]:
        heads = []
        while writing.is_set():
            heads.append(check_positions(clinic.url))
        return heads

    before = check_positions(clinic.url)
    with ThreadPoolExecutor(5) as pool:
        watched = pool.submit(watch)
        try:
            stored = sum(pool.map(storm, range(4)))
        finally:
            writing.clear()
        heads = watched.result(30)
    assert heads == sorted(heads)
    assert len(set(heads)) > 1
    assert check_positions(clinic.url) == before + stored
    assert asked(clinic.url, "SELECT count(*) FROM ledger_head") == [(1,)]


def _fail_after_the_head_was_taken(clinic: Clinic, patient_id: str) -> None:
    taken = clinic.drafts(patient_id, 0, CommentsChanged(old=None, new="never stored"))
    with clinic.ledger.recorder.unit_of_work([clinic.id]) as work:
        work.lock_patients(clinic.id, [patient_id])
        clinic.ledger.events.put(taken, work=work)


def test_time_never_goes_backwards_in_the_ledger(clinic: Clinic):
    """Whatever the clock of the database does: order is by position, and `recorded_at` does not contradict it."""
    with psycopg.connect(clinic.url) as owner:
        (ahead,) = owner.execute(
            "UPDATE ledger_head SET recorded_at = now() + interval '1 hour' RETURNING recorded_at"
        ).fetchone() or (None,)
    receipts = [clinic.send(**ANN, comments=str(n)) for n in range(3)]
    assert ahead is not None
    assert [each.patient.updated_at for each in receipts] == [instant(ahead)] * 3
    assert {entry.recorded_at for entry in clinic.ledger.stream(clinic.id, receipts[0].patient.id)} == {ahead}
    check_positions(clinic.url)


def test_what_is_recorded_carries_the_clock_of_the_database_and_not_that_of_the_application(clinic: Clinic):
    receipt = clinic.send(**ANN)
    ((now,),) = asked(clinic.url, "SELECT now()")
    (entry,) = clinic.ledger.stream(clinic.id, receipt.patient.id)
    assert abs((now - entry.recorded_at).total_seconds()) < 60
    assert receipt.patient.created_at == receipt.patient.updated_at == instant(entry.recorded_at)


# ---- what else goes on in the database


@pytest.mark.parametrize(
    "maintenance",
    [
        "VACUUM ledger_events",
        "VACUUM ANALYZE",
        "ANALYZE ledger_events",
        "CREATE INDEX CONCURRENTLY another ON ledger_events (request_id)",
        "REINDEX TABLE CONCURRENTLY ledger_events",
    ],
)
def test_maintenance_goes_on_while_events_are_appended(clinic: Clinic, maintenance: str):
    done = Event()

    def append() -> int:
        count = 0
        while not done.is_set():
            count += len(clinic.send(**ANN, comments=f"{count}").events)
        return count

    with ThreadPoolExecutor(1) as pool, psycopg.connect(clinic.url, autocommit=True) as owner:
        owner.execute("SET lock_timeout = '20s'")
        appended = pool.submit(append)
        try:
            owner.execute(maintenance.encode())
        finally:
            done.set()
        assert appended.result(30) > 0
    check_positions(clinic.url)


@pytest.mark.parametrize(
    "lock",
    [
        "LOCK TABLE ledger_events IN SHARE UPDATE EXCLUSIVE MODE",  # what VACUUM, ANALYZE and index builds hold
        "LOCK TABLE ledger_events IN ROW SHARE MODE",
        "SELECT FROM ledger_events FOR KEY SHARE",
    ],
)
def test_locks_that_maintenance_and_readers_hold_stop_no_append(clinic: Clinic, lock: str):
    clinic.send(**ANN)
    with psycopg.connect(clinic.url) as owner:
        owner.execute(lock.encode())
        assert clinic.send(**ANN, comments="while it is held").events


def test_the_stock_recorder_stops_behind_such_a_lock(stock: _Watched, database_url: str):
    """The reason for taking no table lock, as long as it is one."""
    with psycopg.connect(database_url) as owner, psycopg.connect(database_url) as other:
        owner.execute("LOCK TABLE stock_events IN SHARE UPDATE EXCLUSIVE MODE")
        other.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(stock.lock_table_statements[1])


def test_an_append_notifies_nobody(clinic: Clinic):
    """NOTIFY takes a lock over the whole database at commit: it would undo group commit."""
    with psycopg.connect(clinic.url, autocommit=True) as listener:
        listener.execute("LISTEN ledger_events")
        clinic.send(**ANN)
        listener.execute("NOTIFY ledger_events, 'ours'")
        heard = [each.payload for each in listener.notifies(timeout=5, stop_after=1)]
    assert heard == ["ours"]


def test_a_session_that_sleeps_in_another_database_stops_nothing(clinic: Clinic, server_url: str):
    with psycopg.connect(server_url) as sleeper:
        sleeper.execute("SELECT txid_current()")
        assert isinstance(clinic.send(**ANN), Receipt)


# ---- connections


def test_a_connection_works_as_the_application_role_with_timeouts_and_index_plans(clinic: Clinic):
    shown = ("role", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "timezone",
             "plan_cache_mode", "enable_seqscan", "application_name")  # fmt: skip
    with clinic.ledger.recorder.reading() as cursor:
        found = {name: cursor.execute(f"SHOW {name}".encode()).fetchall()[0][0] for name in shown}
    assert found == {
        "role": "ledger_app", "lock_timeout": "5s", "statement_timeout": "10s",
        "idle_in_transaction_session_timeout": "10s", "timezone": "UTC", "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off", "application_name": "patient-ledger",
    }  # fmt: skip


def test_a_server_that_goes_silent_is_noticed_unless_the_url_says_otherwise():
    plain = Datastore("postgresql://nobody@127.0.0.1:9/none").pool.kwargs
    own = Datastore("postgresql://nobody@127.0.0.1:9/none?tcp_user_timeout=1&application_name=mine").pool.kwargs
    assert isinstance(plain, dict)
    assert isinstance(own, dict)
    assert (plain["tcp_user_timeout"], plain["keepalives_idle"]) == (15_000, 10)
    assert (own["tcp_user_timeout"], own["application_name"], own["keepalives_idle"]) == ("1", "mine", 10)


def test_a_closed_ledger_is_away(database_url: str):
    ledger = open_ledger(database_url)
    clinic = Clinic(database_url, ledger).found()
    ledger.close()
    with pytest.raises(LedgerUnavailable):
        clinic.send(**ANN)


# ---- rows


def test_a_stored_row_is_read_back_whole(clinic: Clinic):
    receipt = clinic.send(**ANN)
    with clinic.ledger.recorder.reading(clinic.id) as cursor:
        (row,) = clinic.ledger.recorder.select_stream(cursor, clinic.id, receipt.patient.id)
    assert isinstance(row, StoredEntry)
    entry = clinic.ledger.mapper.to_domain_event(row)
    draft = Draft(
        organization_id=UUID(clinic.id), originator_id=UUID(receipt.patient.id), originator_version=1,
        event=receipt.events[0], request_id="req_test", actor="key:test", source="api", salt=row.salt,
    )  # fmt: skip
    again = clinic.ledger.mapper.to_stored_event(draft)
    assert (again.state, again.state_hash, again.topic, len(again.salt)) == (row.state, row.state_hash, row.topic, 16)
    assert (entry.event, entry.position, entry.source) == (receipt.events[0], receipt.position, "api")
    assert not row.erased


def test_every_salt_is_its_own(clinic: Clinic):
    clinic.send(**ANN, tags=["a"], custom_fields={str(n): n for n in range(20)})
    ((count, salts, shortest),) = asked(
        clinic.url, "SELECT count(*), count(DISTINCT salt), min(length(salt)) FROM ledger_events"
    )
    assert count == salts
    assert shortest == 16
