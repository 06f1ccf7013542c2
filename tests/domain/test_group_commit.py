"""Requests that arrive together share a transaction; none waits for a queue that does not move."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import LedgerUnavailable
from domain.group_commit import PATIENCE, GroupCommit, TooManyWaiting

START = datetime(2026, 1, 1, tzinfo=UTC)


class Rounds:
    """A commit that doubles numbers, remembers its lists, and can be held up."""

    def __init__(self) -> None:
        self.lists: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.lists.append([*items])
        self.entered.release()
        assert self.open.wait(20)
        return [ValueError(item) if item < 0 else item * 2 for item in items]

    @contextmanager
    def held(self, group: GroupCommit[int, int], first: int, threads: ThreadPoolExecutor) -> Iterator[None]:
        self.open.clear()
        threads.submit(group.submit, first)
        assert self.entered.acquire(timeout=10)
        yield
        self.open.set()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that other threads bring about."""
    waited = threading.Event()
    for _ in range(2000):
        if holds():
            return
        waited.wait(0.005)
    raise AssertionError("it did not come about")


def test_one_alone_waits_for_nobody():
    rounds = Rounds()
    group: GroupCommit[int, int] = GroupCommit(rounds, clock=lambda: START)
    assert [group.submit(1), group.submit(2)] == [2, 4]
    assert rounds.lists == [[1], [2]]


def test_what_arrives_meanwhile_shares_the_next_round_and_each_gets_its_own():
    rounds = Rounds()
    group: GroupCommit[int, int] = GroupCommit(rounds, clock=lambda: START, limit=4)
    with ThreadPoolExecutor(8) as threads:
        with rounds.held(group, 1, threads):
            others = {number: threads.submit(group.submit, number) for number in (2, -3, 4, 5, 6)}
            until(lambda: len(group._waiting) == 5)
        assert [others[number].result() for number in (2, 4, 5, 6)] == [4, 8, 10, 12]
        assert isinstance(others[-3].exception(), ValueError), "and its error reaches nobody else"
    assert [len(each) for each in rounds.lists] == [1, 4, 1]


def test_who_is_ready_queues_before_the_list_is_closed():
    rounds = Rounds()
    with ThreadPoolExecutor(1) as threads:
        others: list[Future[int]] = []

        def arrive() -> None:
            if not others:
                others.append(threads.submit(group.submit, 2))
                until(lambda: len(group._waiting) == 2)

        group: GroupCommit[int, int] = GroupCommit(rounds, clock=lambda: START, give_way=arrive)
        assert [group.submit(1), others[0].result()] == [2, 4]
    assert rounds.lists == [[1, 2]]


def test_whoever_waited_behind_a_database_that_is_stuck_hears_it_with_the_leader():
    now = [START]
    rounds = Rounds()

    def commit(items: Sequence[int]) -> list[int | Exception]:
        rounds(items)
        now[0] += PATIENCE * 2
        raise LedgerUnavailable(cause="lock timeout")

    group: GroupCommit[int, int] = GroupCommit(commit, clock=lambda: now[0])
    with ThreadPoolExecutor(8) as threads:
        with rounds.held(group, 1, threads):
            others = [threads.submit(group.submit, number) for number in (2, 3)]
            until(lambda: len(group._waiting) == 2)
        assert [type(each.exception(timeout=20)) for each in others] == [LedgerUnavailable] * 2
    assert rounds.lists == [[1]], "nobody was sent to wait once more"


def test_a_slow_round_hands_its_results_to_nobody_but_its_own():
    now = [START]
    rounds = Rounds()

    def commit(items: Sequence[int]) -> list[int | Exception]:
        results = rounds(items)
        now[0] += PATIENCE * 2
        return results

    group: GroupCommit[int, int] = GroupCommit(commit, clock=lambda: now[0])
    with ThreadPoolExecutor(8) as threads:
        with rounds.held(group, 1, threads):
            other = threads.submit(group.submit, 2)
            until(lambda: len(group._waiting) == 1)
        assert other.result(timeout=20) == 4
    assert rounds.lists == [[1], [2]]


def test_a_full_queue_refuses_at_once():
    rounds = Rounds()
    group: GroupCommit[int, int] = GroupCommit(rounds, clock=lambda: START, queue_limit=2)
    with ThreadPoolExecutor(8) as threads, rounds.held(group, 1, threads):
        waiting = [threads.submit(group.submit, number) for number in (2, 3)]
        until(lambda: len(group._waiting) == 2)
        with pytest.raises(TooManyWaiting):
            group.submit(4)
        rounds.open.set()
        assert sorted(each.result() for each in waiting) == [4, 6]


def test_a_queue_that_does_not_move_refuses_at_once_until_it_moves():
    rounds, now = Rounds(), [START]
    group: GroupCommit[int, int] = GroupCommit(rounds, clock=lambda: now[0])
    with ThreadPoolExecutor(8) as threads, rounds.held(group, 1, threads):
        now[0] += PATIENCE + timedelta(milliseconds=1)
        with pytest.raises(TooManyWaiting):
            group.submit(2)
    assert group.submit(3) == 6
