"""How do requests that arrive together share a transaction?

The first one waiting leads: it takes what waits behind it, up to a limit and without a timer, has all of it committed
and hands out the results. Whoever arrives meanwhile waits for the next round. One client alone waits for nobody.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

from domain.errors import LedgerUnavailable

PATIENCE = timedelta(seconds=2)
"""A transaction takes milliseconds; when one takes so long, the database is stuck."""

TURNS = 10
"""So often the leader lets other threads run before it closes a list. Once is seldom enough: a thread that is woken
for its turn takes longer than the leader does to ask for the next. All of them cost a lone request 10 µs."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class TooManyWaiting(LedgerUnavailable):
    """Too many requests are waiting already; send this one again in a moment. Nothing was stored."""


class _Ticket(Generic[Item, Result]):
    """One waiting request: it is woken with its result, or to lead."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.asleep = Lock()  # what an Event is made of, at a fifth of its price
        self.asleep.acquire()
        self.result: Result | BaseException | None = None


class GroupCommit(Generic[Item, Result]):
    """Gathers the items of many threads into lists for `commit`, which returns a result or an error for each."""

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        clock: Callable[[], datetime],
        give_way: Callable[[], None] = lambda: None,
        limit: int = 32,
        queue_limit: int = 96,
    ) -> None:
        self._commit = commit
        self._clock = clock
        self._give_way = give_way
        self._limit = limit
        self._queue_limit = queue_limit
        self._round_began: datetime | None = None
        self._waiting: deque[_Ticket[Item, Result]] = deque()
        self._led = False
        self._lock = Lock()

    def submit(self, item: Item) -> Result:
        """Return the item's result, or raise its error.

        TooManyWaiting at once when the queue is full, or has not moved for PATIENCE: who waits longer is not helped.
        """
        ticket: _Ticket[Item, Result] = _Ticket(item)
        with self._lock:
            if len(self._waiting) >= self._queue_limit or self._is_stuck():
                raise TooManyWaiting
            self._waiting.append(ticket)
            leads = not self._led
            self._led = True
        if not leads:
            ticket.asleep.acquire()
        if ticket.result is None:
            self._lead()
        if isinstance(ticket.result, BaseException):
            raise ticket.result
        assert ticket.result is not None
        return ticket.result

    def _is_stuck(self) -> bool:
        return self._round_began is not None and self._clock() - self._round_began > PATIENCE

    def _lead(self) -> None:
        """Commit what waits, this thread's own ticket among it, then hand the lead to the next one waiting.

        Threads that are ready to run get to queue first; there is no timer.
        """
        for _ in range(TURNS):
            self._give_way()
        with self._lock:
            count = min(self._limit, len(self._waiting))
            tickets = [self._waiting.popleft() for _ in range(count)]
            self._round_began = self._clock()
        results = self._results([ticket.item for ticket in tickets])
        with self._lock:
            if self._is_stuck() and all(isinstance(each, LedgerUnavailable) for each in results):
                tickets += self._waiting  # they waited as long as this round, and the next one would be no quicker
                results = [*results, *[results[0]] * len(self._waiting)]
                self._waiting.clear()
            follower = self._waiting[0] if self._waiting else None
            self._led = follower is not None
            self._round_began = None
        for ticket, result in zip(tickets, results, strict=True):
            ticket.result = result
            ticket.asleep.release()
        if follower is not None:
            follower.asleep.release()

    def _results(self, items: Sequence[Item]) -> Sequence[Result | BaseException]:
        """Return what became of each item.

        A ledger that is away is away for everybody. Any other error is a wrong program that met an item it cannot
        stand: the others are committed one by one, which for items that can be repeated is safe.
        """
        try:
            results = self._commit(items)
            if len(results) != len(items):
                raise AssertionError("a result for each item")
        except LedgerUnavailable as error:
            return [error] * len(items)
        except BaseException as error:  # noqa: BLE001 - the thread that waits for it raises it
            if len(items) == 1 or not isinstance(error, Exception):
                return [error] * len(items)
            return [result for item in items for result in self._results([item])]
        return results
