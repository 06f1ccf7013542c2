"""An instant that was read from the wire is the one that the live path folded."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.entry import instant
from projections.streams import moment

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
def test_an_instant_from_the_wire_is_the_one_of_the_live_path(at):
    assert moment((at - EPOCH) // timedelta(microseconds=1)) == instant(at)
