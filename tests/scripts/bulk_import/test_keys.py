"""Which records may be placed side by side is told by the keys under which the upsert will lock them."""

from hypothesis import given

from domain.match_keys import match_keys
from domain.normalise import normalise
from domain.record import read_record
from domain.upsert import identity_of_record
from scripts.bulk_import.importing import keys_of
from tests.domain.records import ORGANIZATION, TODAY, bodies


@given(bodies)
def test_the_keys_of_a_row_are_those_of_the_whole_record(body):
    record, received = read_record(body)
    clean, _ = normalise(record, organization=ORGANIZATION, today=TODAY, received=received)
    assert keys_of(body, ORGANIZATION, TODAY) == match_keys(identity_of_record(clean))
