"""One client cannot take everything: rates, wrong keys and slow bodies are bounded, and the bounds are told."""

import re

import pytest
from falcon.testing import TestClient

from api.app import create_app
from api.limits import (
    BODIES_AT_ONCE,
    BODIES_IN_ALL,
    MOST_NAMES,
    WRONG_TRIES,
    Buckets,
    Limits,
    NoRoomForBodies,
    RateExceeded,
    TooManySlowBodies,
)
from api.settings import Settings
from api.unread import AT_ONCE
from domain.ledger import Ledger
from scripts.workers import THREADS
from tests.api.clinic import Clinic, Partner, issue_key
from tests.api.test_bad_input import NOBODY, assert_problem
from tests.domain.records import DOCUMENTED


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_what_it_holds_and_fills_at_its_rate():
    clock = Clock()
    bucket = Buckets(10, 20, clock)
    assert [bucket.take("a")[0] for _ in range(21)] == [True] * 20 + [False]
    assert bucket.take("a")[1] == pytest.approx(0.1)
    assert bucket.take("b")[0], "another name has a bucket of its own"
    clock.now += 0.5
    assert [bucket.take("a")[0] for _ in range(6)] == [True] * 5 + [False]
    clock.now += 3600
    assert [bucket.take("a")[0] for _ in range(21)] == [True] * 20 + [False], "it never holds more than its size"


def test_the_number_of_buckets_is_bounded_and_an_empty_one_is_forgotten_last():
    clock = Clock()
    bucket = Buckets(1, 1, clock)
    for number in range(MOST_NAMES):
        bucket.take(f"early-{number}")
    clock.now += 1
    bucket.take("late")
    assert not bucket.take("late")[0]
    assert len(bucket._levels) <= MOST_NAMES
    for number in range(3 * MOST_NAMES):
        bucket.take(f"flood-{number}")
    assert len(bucket._levels) <= MOST_NAMES


def test_a_key_beyond_its_rate_is_told_when_to_come_back(ledger: Ledger, clinic: Clinic):
    client = TestClient(create_app(ledger, Settings(requests_per_second=2)))
    first, second = Partner(client, clinic.api_key), Partner(client, issue_key(ledger, clinic.organization_id))
    answers = [first.get(f"/v1/patients/{NOBODY}") for _ in range(40)]
    fine = [answer for answer in answers if answer.status_code == 404]
    assert 4 <= len(fine) < 40
    assert fine[0].headers["RateLimit-Policy"] == '"key";q=4;w=2'
    assert fine[0].headers["RateLimit"] == '"key";r=3;t=2'
    refused = next(answer for answer in answers if answer.status_code != 404)
    assert_problem(refused, 429, "rate-exceeded")
    assert refused.headers["Retry-After"] == "1"
    assert re.fullmatch(r'"key";r=0;t=\d+', refused.headers["RateLimit"])
    assert second.get(f"/v1/patients/{NOBODY}").status_code == 404, "another key is not held up"
    assert client.simulate_get("/livez").status_code == 200


def test_wrong_keys_are_slowed_down_and_right_ones_are_not(client: TestClient, partner: Partner):
    assert partner.upsert(DOCUMENTED).status_code == 200
    stranger = Partner(client, "pl_live_aaaaaaaaaaaa_" + "A" * 40)
    answers = [stranger.get(f"/v1/patients/{NOBODY}") for _ in range(3 * WRONG_TRIES)]
    assert_problem(answers[0], 401, "not-authenticated")
    refused = next(answer for answer in answers if answer.status_code != 401)
    assert_problem(refused, 429, "too-many-wrong-keys")
    assert int(refused.headers["Retry-After"]) >= 1
    assert partner.upsert(DOCUMENTED).status_code == 200


def test_bodies_that_an_organization_sends_slowly_are_bounded():
    limits = Limits(1000)
    held = [limits.reading("a") for _ in range(BODIES_AT_ONCE)]
    for place in held:
        place.__enter__()
    with pytest.raises(TooManySlowBodies), limits.reading("a"):
        pass
    with limits.reading("b"):
        pass
    held[0].__exit__(None, None, None)
    with limits.reading("a"), pytest.raises(TooManySlowBodies), limits.reading("a"):
        pass


def test_bodies_of_who_is_not_known_yet_are_bounded_like_those_of_an_organization():
    limits = Limits(1000)
    held = [limits.reading(None) for _ in range(BODIES_AT_ONCE)]
    for place in held:
        place.__enter__()
    with pytest.raises(NoRoomForBodies), limits.reading(None):
        pass
    with limits.reading("a"):
        pass


def test_bodies_that_all_send_slowly_leave_threads_for_everything_else():
    limits = Limits(1000)
    held = [limits.reading(f"organization {number % 12}") for number in range(BODIES_IN_ALL)]
    for place in held:
        place.__enter__()
    with pytest.raises(NoRoomForBodies), limits.reading("another"):
        pass
    held[0].__exit__(None, None, None)
    with limits.reading("another"):
        pass
    assert BODIES_IN_ALL + AT_ONCE < 0.75 * THREADS


def test_the_limit_holds_for_threads_at_once():
    from concurrent.futures import ThreadPoolExecutor

    limits = Limits(50, Clock())

    def ask(_: int) -> bool:
        try:
            limits.admit("a")
        except RateExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, range(400))) == 100
