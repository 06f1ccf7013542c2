"""Records that share a key are never under way in two lanes, and all of them are placed."""

from hypothesis import given
from hypothesis import strategies as st

from scripts.bulk_import.lanes import Lanes

keys = st.lists(st.integers(0, 12), max_size=3, unique=True)


@given(st.lists(keys, max_size=60), st.integers(1, 4), st.data())
def test_records_that_share_a_key_follow_each_other(records, count, data):
    lanes = Lanes(count)
    under_way: list[tuple[int, list[int]]] = []
    for record in records:
        while (lane := lanes.lane_for(record)) is None:
            assert under_way
            gone = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            lanes.leave(*gone)
        for other, held in under_way:
            assert other == lane or not set(held) & set(record)
        lanes.enter(lane, record)
        under_way.append((lane, record))


def test_what_has_no_key_in_common_is_spread_evenly():
    lanes = Lanes(3)
    loads = [0, 0, 0]
    for number in range(30):
        lane = lanes.lane_for([number])
        assert lane is not None
        lanes.enter(lane, [number])
        loads[lane] += 1
    assert loads == [10, 10, 10]
