"""Ids of parts are the UUIDs of version 5 that the standard library makes."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from domain.child_ids import child_id


@given(st.uuids(), st.text())
def test_it_is_the_uuid_of_version_5(whole, name):
    name = name.encode("utf-8", "ignore").decode()
    assert child_id(str(whole), name) == str(uuid5(UUID(str(whole)), name))
