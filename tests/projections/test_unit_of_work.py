"""Is a list of records one transaction, whatever happens to it?"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

import psycopg
import pytest

from domain.commands import AddReferenceItem
from domain.entry import Envelope, canonical
from domain.errors import LedgerUnavailable, TooLittleToIdentify, UnknownOrganization, WriteConflict
from domain.events import ExternalIdReplaced, PatientCreated, PhoneChanged
from domain.patient import evolve
from domain.receipt import Caller, Receipt, Upsert
from projections import match_index
from tests.clinic import WAITING, Clinic, asked, check_positions, check_read_models, open_ledger, wait_until
from tests.domain.records import EXTERNAL_ID_TYPE

ANN = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": "1980-03-01"}
BOB = {"first_name": "Robert", "last_name": "Stone", "date_of_birth": "1971-12-24"}


def numbered(value: str, **more: object) -> dict[str, object]:
    return {"external_id": {"type_id": EXTERNAL_ID_TYPE, "value": value}, **more}


# ---- a list


def test_the_same_patient_twice_in_a_list_is_written_in_order(clinic: Clinic):
    first, second = clinic.send_list(ANN | numbered("A-1"), ANN | numbered("A-2"))

    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert (first.created, second.created) == (True, False)
    assert second.patient.id == first.patient.id
    replaced = ExternalIdReplaced(type_id=EXTERNAL_ID_TYPE, old="A-1", new="A-2")
    assert clinic.story(first.patient.id)[-1] == replaced
    assert first.position is not None
    assert second.position == first.position + len(second.events)
    check_positions(clinic.url)


def test_each_answer_of_a_list_carries_what_its_own_record_sent(clinic: Clinic):
    """The partner documentation guarantees that the returned patient carries the external id that was sent."""
    silent = ANN | numbered("A-2", phone_number="212-555-0143")
    results = clinic.send_list(
        ANN | numbered("A-1"), ANN | numbered("A-2", phone_number="212-555-0143"), silent, ANN | numbered("A-3")
    )
    receipts = [result for result in results if isinstance(result, Receipt)]
    assert [each.patient.external_id(EXTERNAL_ID_TYPE) for each in receipts] == ["A-1", "A-2", "A-2", "A-3"]
    assert [each.patient.phone for each in receipts] == [None, "+12125550143", "+12125550143", "+12125550143"]
    assert receipts[2].events == ()
    assert receipts[2].position is None
    for receipt in receipts:
        as_of = clinic.ledger.patient_as_of(clinic.id, receipt.patient.id, version=receipt.patient.version)
        assert canonical(receipt.patient) == canonical(as_of)


def test_a_refused_record_has_its_error_in_its_place_and_fails_no_other(clinic: Clinic):
    ann, refused, bob = clinic.send_list(ANN, {"first_name": "Ann"}, BOB)
    assert isinstance(ann, Receipt)
    assert isinstance(refused, TooLittleToIdentify)
    assert isinstance(bob, Receipt)
    assert clinic.ledger.patient_as_of(clinic.id, bob.patient.id).facts == BOB


def test_a_list_of_refused_records_stores_nothing(clinic: Clinic):
    before = check_positions(clinic.url)
    assert [type(each) for each in clinic.send_list({}, {"email": "ann@example.com"})] == [TooLittleToIdentify] * 2
    assert clinic.send_list() == []
    assert check_positions(clinic.url) == before


def test_a_record_for_an_unknown_organization_fails_no_other(clinic: Clinic):
    (upsert,) = clinic.upserts(ANN)
    nobody = Upsert(upsert.record, Caller("00000000-0000-4000-8000-000000000000", "key:test", "req_test"))
    placed, unknown = clinic.ledger.upsert_many([upsert, nobody])
    assert isinstance(placed, Receipt)
    assert isinstance(unknown, UnknownOrganization)
    assert [type(each) for each in clinic.ledger.upsert_many([nobody])] == [UnknownOrganization]


def test_records_of_several_organizations_share_a_transaction_and_nothing_else(clinic: Clinic):
    other = Clinic(clinic.url, clinic.ledger).found()
    before = check_positions(clinic.url)
    mixed = [*clinic.upserts(ANN), *other.upserts(ANN), *clinic.upserts(ANN), *other.upserts(ANN | BOB)]
    results = [each for each in clinic.ledger.upsert_many(mixed) if isinstance(each, Receipt)]
    assert [each.created for each in results] == [True, True, False, True]
    assert [each.patient.organization_id for each in results] == [clinic.id, other.id, clinic.id, other.id]
    assert len(asked(clinic.url, "SELECT DISTINCT xmin::text FROM ledger_events WHERE position > %s", before)) == 1


def test_what_another_worker_changes_of_an_organization_counts_for_the_next_record(clinic: Clinic):
    location = {"location_id": "00000000-0000-4000-8000-000000000077"}
    assert [drop.field for drop in clinic.send(**ANN, **location).dropped] == ["location_id"]
    with open_ledger(clinic.url) as other:
        other.administer(AddReferenceItem("location", location["location_id"], "Harbor"), clinic.caller)
    assert clinic.send(**ANN, **location).dropped == ()


def test_nothing_is_stored_by_a_dry_run_and_its_answer_is_the_same(clinic: Clinic):
    before = check_positions(clinic.url)
    (tried,) = clinic.ledger.upsert_many(clinic.upserts(ANN | numbered("A-1")), dry_run=True)
    assert check_positions(clinic.url) == before
    stored = clinic.send(**ANN, **numbered("A-1"))
    assert isinstance(tried, Receipt)
    assert (tried.events, tried.outcome, tried.position) == (stored.events, stored.outcome, None)


def test_a_long_list_is_one_transaction_too(clinic: Clinic):
    before, count = check_positions(clinic.url), 200
    phones = [f"+1212{2_000_000 + n}" for n in range(count)]
    bodies = [{"first_name": "Ann", "last_name": "Lee", "phone_number": phone} for phone in phones]
    results = clinic.send_list(*bodies, *bodies)
    assert [isinstance(each, Receipt) and each.created for each in results] == [True] * count + [False] * count
    assert check_positions(clinic.url) == before + count


# ---- others at the same time


Sent = TypeVar("Sent")


@contextmanager
def _meanwhile(work: Callable[[], Sent]) -> Iterator["Future[Sent]"]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def _other_holds(clinic: Clinic, other: psycopg.Connection, value: str) -> str:
    """Have another transaction give an external id to another patient, without the locks that the ledger takes."""
    stream = "0190f7a0-0000-7000-8000-0000000000ff"
    envelope = Envelope(clinic.id, stream, "2026-11-23T12:00:00.000000Z", "api")
    state = evolve(None, PatientCreated(facts={"phone_number": "+12125550199"}), envelope)
    held = {"id": stream, "value": value, "created_at": "", "updated_at": ""}
    state = state.changed(external_ids={EXTERNAL_ID_TYPE: held})
    other.execute(
        "INSERT INTO patients (organization_id, id, version, chain_hash, fold) VALUES (%s, %s, 1, %s, %s)",
        (clinic.id, stream, bytes(32), canonical(state).decode()),
    )
    _hold_key(clinic, other, value, stream)
    return stream


def _hold_key(clinic: Clinic, other: psycopg.Connection, value: str, stream: str) -> None:
    other.execute(
        "INSERT INTO match_keys (organization_id, kind, key, patient_id) VALUES (%s, 'external_id', %s, %s)",
        (clinic.id, f"{EXTERNAL_ID_TYPE}:{value}", stream),
    )


def test_an_external_id_that_another_transaction_was_first_to_assign_is_found_on_the_next_try(clinic: Clinic):
    with psycopg.connect(clinic.url) as other:
        holder = _other_holds(clinic, other, "A-1")
        with _meanwhile(lambda: clinic.send_list(BOB, ANN | numbered("A-1"))) as sent:
            wait_until(clinic.url, WAITING)
            other.commit()
            bob, ann = sent.result(30)
    assert isinstance(bob, Receipt)
    assert bob.created
    assert isinstance(ann, Receipt)
    assert ann.patient.id == holder
    assert ann.outcome.tier == "external_id"
    head, count = asked(clinic.url, "SELECT (SELECT position FROM ledger_head), count(*) FROM ledger_events")[0]
    assert head == count


def test_a_conflict_that_never_ends_is_given_up_and_fails_no_other(clinic: Clinic):
    """A key without its patient cannot come from the ledger; a record that meets it is refused, not tried for ever."""
    with psycopg.connect(clinic.url) as other:
        _hold_key(clinic, other, "A-1", "0190f7a0-0000-7000-8000-0000000000ff")
    results = clinic.send_list(BOB, ANN | numbered("A-1"), BOB | {"city": "Troy"})
    assert [type(each) for each in results] == [Receipt, LedgerUnavailable, Receipt]
    check_positions(clinic.url)


def test_a_key_that_stands_in_the_index_already_stops_no_record(clinic: Clinic):
    """As after an upgrade with other match keys, before the index is rebuilt."""
    patient = clinic.send(**ANN).patient
    keys = match_index.keys(patient.changed(facts={**patient.facts, "email": "ann@example.com"}))
    rows = [(clinic.id, kind, key, patient.id) for kind, key in keys]
    with psycopg.connect(clinic.url) as owner:
        owner.execute("DELETE FROM match_keys")
        owner.cursor().executemany("INSERT INTO match_keys VALUES (%s, %s, %s, %s)", rows)
    assert clinic.send(**ANN, email="ann@example.com").patient.id == patient.id
    check_read_models(clinic)


def test_a_deadlock_is_tried_again(clinic: Clinic):
    """The ledger takes its locks in order; somebody else may not. Whoever is the victim starts over."""
    ann, bob = (clinic.send(**body).patient.id for body in (ANN, BOB))
    first, second = sorted((ann, bob), key=lambda each: UUID(each).bytes)
    lock = "SELECT FROM patients WHERE id = %s FOR UPDATE"
    with psycopg.connect(clinic.url) as other:
        other.execute("SET deadlock_timeout = '60s'")  # so that the ledger is the victim
        other.execute(lock, (second,))
        with _meanwhile(lambda: clinic.send_list(ANN | {"city": "Troy"}, BOB | {"city": "Troy"})) as sent:
            wait_until(clinic.url, WAITING)
            other.execute(lock, (first,))  # returns once the ledger has let go
            other.commit()
            results = sent.result(30)
    assert [type(each) for each in results] == [Receipt, Receipt]
    # the server counts what has happened a moment later
    wait_until(clinic.url, "SELECT FROM pg_stat_database WHERE datname = current_database() AND deadlocks = 1")
    check_positions(clinic.url)


def test_lists_in_opposite_orders_never_wait_for_each_other(clinic: Clinic):
    people = [ANN | {"first_name": name} for name in ("Ann", "Bea", "Cleo", "Dora", "Eve", "Fay", "Gina", "Hope")]
    clinic.send_list(*people)

    def send(place: int) -> list[type]:
        changed = [person | {"comments": f"{place}"} for person in people]
        return [type(each) for each in clinic.send_list(*(changed if place % 2 else reversed(changed)))]

    with ThreadPoolExecutor(8) as pool:
        for types in pool.map(send, range(40)):
            assert types == [Receipt] * len(people)
    assert asked(clinic.url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
    check_positions(clinic.url)


def test_what_is_stored_after_a_conflict_has_no_trace_of_it(clinic: Clinic):
    """A unit of work that fails for any reason says which, leaves its connection usable and its transaction undone."""
    patient = clinic.send(**ANN, phone_number="212-555-0142").patient
    drafts = clinic.ledger.drafts(
        clinic.caller, "api", patient.id, patient.version - 1, [PhoneChanged("+12125550142", "+12125550143", None)]
    )

    def write_what_is_written() -> None:
        with clinic.ledger.recorder.unit_of_work([clinic.id]) as work:
            work.lock_patients(clinic.id, [patient.id])
            clinic.ledger.events.put(drafts, work=work)

    def stop_halfway() -> None:
        with clinic.ledger.recorder.unit_of_work([clinic.id]) as work:
            work.lock_patients(clinic.id, [patient.id])
            raise ZeroDivisionError

    for _ in range(40):  # more often than there are connections; which error came first was a matter of luck
        with pytest.raises(WriteConflict):
            write_what_is_written()
        with pytest.raises(ZeroDivisionError):
            stop_halfway()
    assert canonical(clinic.ledger.patient_as_of(clinic.id, patient.id)) == canonical(patient)
    check_positions(clinic.url)
