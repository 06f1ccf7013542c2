"""Followers: batches with their tracking, gaps, poison. Crashes and rivals stand in test_follow_faults.py."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg
import pytest
from eventsourcing.persistence import Tracking
from psycopg import Cursor
from psycopg.rows import dict_row

from domain.entry import StoredEntry
from projections import parking
from projections.follow import AheadOfLedger, Follower, Following, TooManyPoisoned
from projections.gaps import EntriesSkipped, check_positions
from projections.tracking import FollowerRecorder
from tests.projections.histories import an_organization, live, opened
from tests.projections.tally import Tally, expected, make_tables, tallied


@contextmanager
def following(url: str, follower: Follower | None = None) -> Iterator[Following]:
    recorder = FollowerRecorder(url)
    follower = follower or Tally()
    with recorder.connect(follower.name) as connection:
        yield Following(follower, recorder, connection, "test")


def run_dry(url: str, follower: Follower | None = None) -> None:
    with following(url, follower) as each:
        while each.step():
            pass


@pytest.fixture
def ledger_url(database_url: str) -> str:
    make_tables(database_url)
    with opened(database_url) as ledger:
        live(ledger, an_organization(ledger), 60, seed=1)
    return database_url


@contextmanager
def tampering(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url) as superuser:
        superuser.execute("SET session_replication_role = replica")  # no trigger fires
        yield superuser


def tracked(url: str, name: str = "tally") -> int | None:
    position: int | None = FollowerRecorder(url).max_tracking_id(name)
    return position


def heartbeat(url: str) -> tuple[Any, ...]:
    with psycopg.connect(url) as owner:
        row = owner.execute("SELECT follower, instance, problem, now() - beat_at FROM follower_heartbeats").fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("batch", [1, 7, 500])
def test_every_entry_is_handled_once_whatever_the_batch(ledger_url, batch):
    class Batched(Tally):
        pass

    Batched.batch = batch
    run_dry(ledger_url, Batched())
    assert tallied(ledger_url) == expected(ledger_url)
    assert tracked(ledger_url) == len(expected(ledger_url)[1])


def test_a_follower_goes_on_where_it_stopped(ledger_url):
    with following(ledger_url) as each:
        each.step()
        each.step()
    assert tracked(ledger_url) == 14
    with opened(ledger_url) as ledger:
        live(ledger, an_organization(ledger), 10, seed=2)
    run_dry(ledger_url)
    assert tallied(ledger_url) == expected(ledger_url)


def test_a_batch_that_was_tracked_already_is_refused(ledger_url):
    recorder = FollowerRecorder(ledger_url)
    with recorder.connect("tally") as connection, connection.cursor() as cursor:
        recorder.track(cursor, "tally", 7)
        for position in (7, 3):
            with pytest.raises(Exception, match="Failed to record tracking"):
                recorder.track(cursor, "tally", position)
        assert recorder.tracked(cursor, "tally") == 7


def test_the_tracking_is_the_librarys(ledger_url):
    recorder = FollowerRecorder(ledger_url)
    recorder.insert_tracking(Tracking("tally", 5))
    assert recorder.max_tracking_id("tally") == 5
    assert recorder.has_tracking_id("tally", 5)
    assert not recorder.has_tracking_id("tally", 6)
    assert recorder.max_tracking_id("other") is None
    with recorder.connect("tally") as connection, connection.cursor(row_factory=dict_row) as cursor:
        assert recorder._max_tracking_id("tally", cursor) == 5
        recorder._insert_tracking(cursor, Tracking("tally", 6))
        assert recorder._max_tracking_id("tally", cursor) == 6
    recorder.datastore.close()


def test_a_missing_position_stops_the_follower_before_it(ledger_url):
    with tampering(ledger_url) as superuser:
        superuser.execute("DELETE FROM ledger_events WHERE position = 20")
    with following(ledger_url) as each:
        each.step()
        each.step()
        with pytest.raises(EntriesSkipped):
            each.step()
    assert tallied(ledger_url)[1] == list(range(1, 15))


def test_a_place_noted_too_far_ahead_is_seen_by_the_versions(ledger_url):
    """Positions alone cannot see it: they go on without a gap from the wrong place."""
    with psycopg.connect(ledger_url) as owner:
        jump = owner.execute(
            "SELECT min(position) FROM ledger_events WHERE originator_version > 1 AND position > 20"
        ).fetchone()
        assert jump is not None
        with tampering(ledger_url) as superuser:
            superuser.execute("DELETE FROM ledger_events WHERE position < %s", (jump[0],))
            superuser.execute("INSERT INTO follower_tracking VALUES ('tally', %s)", (jump[0] - 1,))
    with following(ledger_url) as each, pytest.raises(EntriesSkipped) as refused:
        each.step()
    assert "missing_version" in refused.value.details
    assert tallied(ledger_url)[1] == []


@pytest.mark.parametrize("order", [[1, 3], [2, 1], [1, 1], [0, 1]])
def test_positions_out_of_order_are_refused(order):
    class Placed:
        def __init__(self, position: int) -> None:
            self.position = position

    entries: Any = [Placed(position) for position in order]
    with pytest.raises(EntriesSkipped):
        check_positions(0, entries)


def test_versions_out_of_order_are_refused(ledger_url):
    with tampering(ledger_url) as superuser:
        swap = superuser.execute(
            "SELECT a.position, b.position FROM ledger_events a JOIN ledger_events b"
            " ON a.originator_id = b.originator_id AND b.originator_version = a.originator_version + 1"
            " ORDER BY a.position LIMIT 1"
        ).fetchone()
        assert swap is not None
        superuser.execute("UPDATE ledger_events SET position = -1 WHERE position = %s", (swap[0],))
        superuser.execute("UPDATE ledger_events SET position = %s WHERE position = %s", swap)
        superuser.execute("UPDATE ledger_events SET position = %s WHERE position = -1", (swap[1],))
    with pytest.raises(EntriesSkipped):
        run_dry(ledger_url)
    assert len(tallied(ledger_url)[1]) < swap[0]


def test_a_follower_ahead_of_a_restored_ledger_says_so(ledger_url):
    with psycopg.connect(ledger_url) as owner:
        owner.execute("INSERT INTO follower_tracking VALUES ('tally', 100000)")
    with following(ledger_url) as each, pytest.raises(AheadOfLedger):
        each.step()


class Choosy(Tally):
    """It cannot digest what `refuses` names."""

    batch: ClassVar[int] = 50
    refuses: ClassVar[set[int]] = set()

    def handle(self, cursor: Cursor[Any], entries: Sequence[StoredEntry]) -> None:
        super().handle(cursor, entries)
        if any(entry.position in self.refuses for entry in entries):
            raise ValueError("a value that must not be told")


def test_poison_parks_its_stream_and_the_others_flow(ledger_url, monkeypatch):
    with psycopg.connect(ledger_url) as owner:
        poison = owner.execute(
            "SELECT position, originator_id FROM ledger_events WHERE originator_version = 2"
            " ORDER BY position DESC LIMIT 1"
        ).fetchone()
    assert poison is not None
    monkeypatch.setattr(Choosy, "refuses", {poison[0]})
    run_dry(ledger_url, Choosy())
    with psycopg.connect(ledger_url) as owner, owner.cursor() as cursor:
        parked = parking.parked(cursor)
        left_out = cursor.execute(
            "SELECT position FROM ledger_events WHERE originator_id = %s AND position >= %s ORDER BY position",
            (poison[1], poison[0]),
        ).fetchall()
    assert [(each.projection, each.position, each.originator_id) for each in parked] == [("tally", *poison)]
    assert parked[0].reason.startswith("ValueError at ")
    assert "must not be told" not in parked[0].reason
    everything = expected(ledger_url)[1]
    assert tallied(ledger_url)[1] == [position for position in everything if (position,) not in left_out]

    monkeypatch.setattr(Choosy, "refuses", set())
    with following(ledger_url, Choosy()) as mended:
        mended.retry_parked()
    assert tallied(ledger_url) == expected(ledger_url)
    with psycopg.connect(ledger_url) as owner, owner.cursor() as cursor:
        assert parking.parked(cursor) == []


def test_a_parked_stream_is_made_up_for_to_where_the_follower_is_and_no_further(ledger_url, monkeypatch):
    with psycopg.connect(ledger_url) as owner:
        ((poison,),) = owner.execute(
            "SELECT position FROM ledger_events AS entry WHERE EXISTS (SELECT FROM ledger_events AS later"
            " WHERE later.originator_id = entry.originator_id AND later.position > entry.position + 20)"
            " ORDER BY position DESC LIMIT 1"
        ).fetchall()

    class Short(Choosy):
        batch: ClassVar[int] = poison

    monkeypatch.setattr(Choosy, "refuses", {poison})
    with following(ledger_url, Short()) as each:
        each.step()
        monkeypatch.setattr(Choosy, "refuses", set())
        each.retry_parked()
        assert tallied(ledger_url)[1] == list(range(1, poison + 1))
    run_dry(ledger_url, Short())
    assert tallied(ledger_url) == expected(ledger_url)


def test_a_table_that_the_follower_cannot_reach_parks_nobody(ledger_url):
    with psycopg.connect(ledger_url, autocommit=True) as owner:
        owner.execute("REVOKE ALL ON tally FROM ledger_follower")
    with following(ledger_url) as each, pytest.raises(psycopg.errors.InsufficientPrivilege):
        each.step()
    with psycopg.connect(ledger_url) as owner, owner.cursor() as cursor:
        assert parking.parked(cursor) == []


def test_a_stream_that_still_fails_stays_parked_at_the_same_place(ledger_url, monkeypatch):
    monkeypatch.setattr(Choosy, "refuses", {5})
    run_dry(ledger_url, Choosy())
    with psycopg.connect(ledger_url) as owner, owner.cursor() as cursor:
        before = parking.parked(cursor, "tally")
    with following(ledger_url, Choosy()) as again:
        again.retry_parked()
    with psycopg.connect(ledger_url) as owner, owner.cursor() as cursor:
        assert parking.parked(cursor, "tally") == before
    assert len(before) == 1


def test_a_follower_that_fails_at_everything_does_not_park_everybody(ledger_url, monkeypatch):
    monkeypatch.setattr(Choosy, "refuses", set(range(1, 10_000)))
    monkeypatch.setattr(Choosy, "parks_at_most", 30)
    with pytest.raises(TooManyPoisoned):
        run_dry(ledger_url, Choosy())
    with psycopg.connect(ledger_url) as owner, owner.cursor() as cursor:
        assert len(parking.parked(cursor)) <= 30
    assert tallied(ledger_url)[1] == []


def test_a_follower_of_the_whole_log_waits_at_poison(ledger_url, monkeypatch):
    class Whole(Choosy):
        parks_at_most: ClassVar[int] = 0

    monkeypatch.setattr(Choosy, "refuses", {60})
    with following(ledger_url, Whole()) as each:
        assert each.step() == 50
        with pytest.raises(ValueError, match="must not be told"):
            each.step()
    assert tallied(ledger_url)[1] == list(range(1, 51))


def test_a_follower_changes_no_event(ledger_url):
    with FollowerRecorder(ledger_url).connect("tally") as connection:
        for statement in (b"DELETE FROM ledger_events", b"UPDATE ledger_events SET actor = ''"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE ledger_head SET position = 0")


def test_a_quiet_follower_shows_that_it_is_alive(ledger_url):
    with following(ledger_url) as each:
        while each.step():
            pass
        name, instance, problem, _ = heartbeat(ledger_url)
        assert (name, instance, problem) == ("tally", "test", None)
        each.tell("something is wrong")
        assert heartbeat(ledger_url)[2] == "something is wrong"
