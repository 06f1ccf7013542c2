"""Does every waiting thread get its own result, whatever happens to the others?"""

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.errors import IllegalCommand, LedgerError, LedgerUnavailable, UnknownPatient
from domain.group_commit import GroupCommit

START = datetime(2026, 1, 1, tzinfo=UTC)

Doubling = Callable[[int], "int | LedgerError"]


class Commits:
    """Commits lists of numbers by a function of each, and remembers the lists."""

    def __init__(self, double: Doubling) -> None:
        self.lists: list[list[int]] = []
        self.double = double
        self.entered = threading.Event()
        self.may_go_on = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int | LedgerError]:
        self.lists.append(list(items))
        self.entered.set()
        assert self.may_go_on.wait(30)
        return [self.double(item) for item in items]


def together(commits: Commits, count: int, **settings: Any) -> list[object]:
    """Submit 0 alone, then 1 … count-1 as they share what comes next; return results and errors in order."""
    group: GroupCommit[int, int] = GroupCommit(commits, clock=lambda: START, **settings)
    results: dict[int, object] = {}

    def one(item: int) -> None:
        try:
            results[item] = group.submit(item)
        except BaseException as error:  # noqa: BLE001 - it is the result
            results[item] = error

    threads = [threading.Thread(target=one, args=(item,)) for item in range(count)]
    threads[0].start()
    assert commits.entered.wait(30)
    for place, thread in enumerate(threads[1:], start=1):
        thread.start()
        while len(group._waiting) < place:
            threading.Event().wait(0.001)
    commits.may_go_on.set()
    for thread in threads:
        thread.join(30)
    return [results[item] for item in range(count)]


def test_lists_are_filled_in_the_order_of_arrival_and_never_beyond_the_limit():
    commits = Commits(lambda item: item * 2)
    assert together(commits, 9, limit=3) == [item * 2 for item in range(9)]
    assert commits.lists == [[0], [1, 2, 3], [4, 5, 6], [7, 8]]


def test_a_refused_item_has_its_error_and_fails_no_neighbour():
    results = together(Commits(lambda item: UnknownPatient() if item == 3 else item * 2), 6)
    assert isinstance(results.pop(3), UnknownPatient)
    assert results == [0, 2, 4, 8, 10]


def _illegal(_item: int) -> int:
    raise IllegalCommand("unheard")


@pytest.mark.parametrize(("breaking", "error"), [(lambda _: 1 // 0, ZeroDivisionError), (_illegal, IllegalCommand)])
def test_an_item_that_breaks_the_program_fails_no_neighbour(breaking: Doubling, error: type[Exception]):
    commits = Commits(lambda item: item * 2 if item != 3 else breaking(item))
    results = together(commits, 6)
    assert isinstance(results.pop(3), error)
    assert results == [0, 2, 4, 8, 10]
    assert commits.lists == [[0], [1, 2, 3, 4, 5], [1], [2], [3], [4], [5]]


def _away(_item: int) -> int:
    raise LedgerUnavailable(cause="OperationalError")


def test_an_error_of_the_whole_list_reaches_every_waiting_thread_and_is_not_tried_again():
    commits = Commits(_away)
    assert [type(each) for each in together(commits, 6)] == [LedgerUnavailable] * 6
    assert commits.lists == [[0], [1, 2, 3, 4, 5]]


def _interrupted(_item: int) -> int:
    raise KeyboardInterrupt


def test_an_interrupt_reaches_every_waiting_thread_too():
    commits = Commits(_interrupted)
    assert [type(each) for each in together(commits, 4)] == [KeyboardInterrupt] * 4
    assert commits.lists == [[0], [1, 2, 3]]


class Forgetful(Commits):
    """Returns one result, however many items there are."""

    def __call__(self, items: Sequence[int]) -> list[int | LedgerError]:
        return super().__call__(items)[:1]


def test_a_commit_that_forgets_items_strands_nobody():
    assert together(Forgetful(lambda item: item * 2), 4) == [0, 2, 4, 6]


@pytest.mark.parametrize("seed", range(3))
def test_nobody_is_stranded_or_given_another_s_result_under_stress(seed: int):
    """Forty threads, commits that let others run now and then, refuse, and break; the lead goes round."""
    rolled = random.Random(seed)
    pauses = {item for item in range(2000) if rolled.random() < 0.2}

    def double(item: int) -> int | LedgerError:
        if item in pauses:
            threading.Event().wait(0.0001)
        return UnknownPatient() if item % 13 == 0 else item * 2 // (item % 97 != 0)

    commits = Commits(double)
    commits.may_go_on.set()
    group: GroupCommit[int, int] = GroupCommit(commits, clock=lambda: START, limit=8)

    def client(number: int) -> list[tuple[int, object]]:
        got: list[tuple[int, object]] = []
        for item in range(number * 50, number * 50 + 50):
            try:
                got.append((item, group.submit(item)))
            except (ZeroDivisionError, UnknownPatient) as error:
                got.append((item, type(error)))
        return got

    with ThreadPoolExecutor(40) as pool:
        results = dict(pair for each in pool.map(client, range(40)) for pair in each)
    broken = dict.fromkeys(range(0, 2000, 97), ZeroDivisionError)
    refused = dict.fromkeys(range(0, 2000, 13), UnknownPatient)
    assert results == {item: item * 2 for item in range(2000)} | broken | refused
    assert max(len(each) for each in commits.lists) <= 8
    assert not group._waiting
    assert not group._led
