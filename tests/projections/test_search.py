"""What partners and staff look for is found by indexes alone, however the statistics stand."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from projections.event_store import PLANS
from projections.statements import statements
from tests.conftest import NewDatabase

ORGANIZATION = "01a2094b-0000-7000-8000-000000000001"
FIRST = "00000000-0000-0000-0000-000000000000"

CASES: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("search", "by_key"): ({"kind": "phone", "key": "+12125550142", "after": FIRST}, "match_keys_pkey"),
    ("search", "by_date_of_birth"): ({"date_of_birth": "1980-03-01", "after": FIRST}, "patients_by_date_of_birth"),
    ("search", "by_full_name"): ({"last_name": "lopez", "first_name": "ann", "after": FIRST}, "patients_by_name"),
    ("search", "by_last_name"): ({"last_name": "lopez", "after": FIRST}, "patients_by_name"),
    ("find_patients", "by_first_name"): ({"first": "bo", "first_end": "bp"}, "patients_by_name"),
    ("find_patients", "by_name"): (
        {"lasts": ["lo"], "lasts_end": ["lp"], "firsts": ["an"], "firsts_end": ["ao"]},
        "patients_by_name",
    ),
    ("search", "all"): ({"after": FIRST}, "patients_pkey"),
    ("search", "updated_since"): ({"after": 7, "scan": 200}, "ledger_events_of_organization"),
    ("search", "events"): ({"after": 7}, "ledger_events_of_organization"),
}


@pytest.fixture(scope="module")
def database(new_database: NewDatabase) -> Iterator[str]:
    """Yield the URL of a database with two thousand patients of one organization."""
    with new_database() as url, psycopg.connect(url, autocommit=True) as owner:
        owner.execute(
            """
            WITH made AS (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 2000) AS n),
            keys AS (INSERT INTO match_keys SELECT %(organization)s, 'phone', '+1' || n, id FROM made),
            entries AS (
                INSERT INTO ledger_events
                SELECT n, %(organization)s, id, 1, 'PatientCreated', 1, '{}', now(), 'r', 'a', 'api', '', '', '', ''
                FROM made
            )
            INSERT INTO patients (organization_id, id, version, chain_hash, last_name, first_name, fold)
            SELECT %(organization)s, id, 1, '', 'name' || n %% 100, 'first' || n %% 7,
                json_build_object('facts', json_build_object('date_of_birth', date '1980-01-01' + n))
            FROM made
            """,
            {"organization": ORGANIZATION},
        )
        owner.execute("ANALYZE")
        yield url


@pytest.mark.parametrize(("file", "name"), CASES)
def test_each_look_up_starts_at_its_own_index_and_reads_no_table_through(database: str, file: str, name: str):
    parameters, index = CASES[file, name]
    plan = explain(database, file, name, parameters)
    assert f"using {index}" in plan, plan
    assert "Seq Scan" not in plan


def test_a_first_name_is_compared_in_the_index_and_not_patient_by_patient(database: str):
    parameters, _ = CASES["find_patients", "by_name"]
    plan = explain(database, "find_patients", "by_name", parameters)
    conditions = [line for line in plan.splitlines() if "Index Cond:" in line]
    assert any("first_name ~>=~" in condition and "first_name ~<~" in condition for condition in conditions), plan
    assert not any("first_name" in line for line in plan.splitlines() if line.strip().startswith("Filter:")), plan


def explain(database: str, file: str, name: str, parameters: dict[str, Any]) -> str:
    """Return the plan of a named statement, as the application has it planned."""
    with psycopg.connect(database) as connection:
        connection.execute(PLANS.encode())
        connection.execute("SET ROLE ledger_app")
        connection.execute("SELECT set_config('ledger.organizations', %s, true)", (ORGANIZATION,))
        explained = connection.execute(
            b"EXPLAIN " + statements(file)[name], {"organization": ORGANIZATION, "limit": 51, **parameters}
        )
        return "\n".join(row[0] for row in explained)
