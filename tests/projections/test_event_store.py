"""Are positions gapless and in commit order, whoever writes, fails, or maintains the database meanwhile?"""

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import UUID

import psycopg
import pytest

from domain.entry import Draft, StoredEntry, instant
from domain.errors import LedgerUnavailable, WriteConflict
from domain.events import CommentsChanged
from domain.receipt import Receipt
from projections.event_store import Datastore
from tests.clinic import WAITING, Clinic, asked, check_positions, open_ledger, wait_until

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01"}


# ---- positions


def test_a_reader_of_the_ledger_never_sees_a_position_without_those_before_it(clinic: Clinic):
    """Two appends at once: the second waits with its position until the first has committed."""
    head, patient = check_positions(clinic.url), clinic.send(**ANN).patient
    with psycopg.connect(clinic.url) as first, ThreadPoolExecutor(1) as pool:
        first.execute("UPDATE ledger_head SET position = position + 1")
        second = pool.submit(clinic.send, first_name="Bob", last_name="Stone", date_of_birth="1971-12-24")
        wait_until(clinic.url, WAITING)
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
