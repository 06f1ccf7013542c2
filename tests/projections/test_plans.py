"""Does every statement of an upsert find its rows by index, however many there are, analysed or not?"""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from projections.statements import statements
from tests.clinic import Clinic

TYPES = {
    "organizations": "uuid[]", "kinds": "text[]", "keys": "text[]", "limit": "bigint", "known_ids": "uuid[]",
    "known_versions": "bigint[]", "organization": "uuid", "ids": "uuid[]", "id": "uuid", "stream": "uuid",
    "after": "bigint", "up_to": "bigint", "count": "bigint", "organization_id": "uuid[]", "kind": "text[]",
    "key": "text[]", "patient_id": "uuid[]", "scan": "bigint", "topics": "text[]",
}  # fmt: skip
"""Parameter → type, as the dumpers send it."""
TYPES_OF = {"by_key": TYPES | {"kind": "text", "key": "text", "after": "uuid"}}
"""Statement → its own, where names mean something else."""
MANY = pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(300)])


def explain(connection: psycopg.Connection[Any], file: str, name: str) -> list[dict[str, Any]]:
    """Return the nodes of the generic plan of a named statement, as the application has it planned."""
    places: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${places.setdefault(found[1], len(places) + 1)}"

    text = re.sub(r"%\((\w+)\)[sbt]", numbered, statements(file)[name].decode())
    text = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    types = ", ".join(TYPES_OF.get(name, TYPES)[parameter] for parameter in places)
    connection.execute(f"PREPARE looked_at ({types}) AS {text}".encode(), prepare=False)
    nothing = ", ".join("NULL" for _ in places)
    ((plan,),) = connection.execute(
        f"EXPLAIN (FORMAT JSON) EXECUTE looked_at ({nothing})".encode(), prepare=False
    ).fetchall()
    connection.execute("DEALLOCATE looked_at", prepare=False)
    return list(_nodes(plan[0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def fill(url: str, organization_id: str, count: int) -> None:
    """Add patients and their match keys as rows, three keys each, one of them shared by a hundred."""
    with psycopg.connect(url) as owner:
        owner.execute(
            """
            INSERT INTO patients (organization_id, id, version, chain_hash, fold)
            SELECT %s, ('0190f7a0-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, '', '{"facts":{}}'
            FROM generate_series(1, %s) AS n
            """,
            (organization_id, count),
        )
        owner.execute(
            """
            INSERT INTO match_keys (organization_id, kind, key, patient_id)
            SELECT p.organization_id, kind, kind || (row_number() OVER (PARTITION BY kind ORDER BY p.id) / share), p.id
            FROM patients p, (VALUES ('phone', 2), ('email', 100), ('external_id', 1)) AS kinds (kind, share)
            """
        )


STATEMENTS = [
    ("event_store", "look_up"),
    ("event_store", "lock_patients"),
    ("event_store", "lock_organization"),
    ("event_store", "select_stream"),
    ("event_store", "select_stream_backwards"),
    ("event_store", "select_log"),
    ("match_index", "remove"),
    ("patients", "get"),
    ("duplicates", "patients"),
    ("find_patients", "by_keys"),
    ("search", "by_key"),
    ("search", "updated_since"),
    ("directory", "get_organization"),
]


@pytest.mark.parametrize("count", [20_000, MANY])
@pytest.mark.parametrize("analysed", [False, True])
def test_no_statement_reads_a_whole_table(clinic: Clinic, count: int, analysed: bool):
    fill(clinic.url, clinic.id, count)
    if analysed:
        with psycopg.connect(clinic.url, autocommit=True) as owner:
            owner.execute("VACUUM ANALYZE")
    with clinic.ledger.recorder.connection() as connection:  # type: ignore[attr-defined] # of this store
        for file, name in STATEMENTS:
            nodes = explain(connection, file, name)
            whole = [node for node in nodes if node["Node Type"] == "Seq Scan"]
            assert not whole, (name, whole)
            joins = {node["Node Type"] for node in nodes} & {"Hash Join", "Merge Join"}
            assert not joins, (name, joins)
            of_patients = {node["Index Name"] for node in nodes if node.get("Relation Name") == "patients"}
            assert of_patients <= {"patients_pkey"}, (name, of_patients)


@pytest.mark.parametrize(
    ("file", "name", "relation"),
    [
        ("event_store", "look_up", "patients"),
        ("event_store", "lock_patients", "patients"),
        ("event_store", "select_stream", "ledger_events"),
        ("patients", "get", "patients"),
        ("patients", "merged_into", "patients"),
    ],
)
def test_one_stream_is_found_by_its_key(clinic: Clinic, file: str, name: str, relation: str):
    """Planned on an empty ledger, where every index that begins with the organization looks as good."""
    with clinic.ledger.recorder.connection() as connection:  # type: ignore[attr-defined] # of this store
        nodes = explain(connection, file, name)
    assert {node["Index Name"] for node in nodes if node.get("Relation Name") == relation} == {f"{relation}_pkey"}


@pytest.mark.parametrize("analysed", [False, True])
def test_the_log_is_looked_through_a_stretch_at_a_time_and_in_its_own_order(clinic: Clinic, analysed: bool):
    """Stream by stream, the pages of a large log are read many times over, in one statement that takes too long."""
    with psycopg.connect(clinic.url, autocommit=True) as owner:
        owner.execute(
            """
            INSERT INTO ledger_events
            SELECT 1000 + n, %s, ('0190f7a0-0000-7000-8000-' || lpad(to_hex(n / 4), 12, '0'))::uuid, n %% 4 + 1,
                'PatientMatched', 1, repeat('x', 400)::bytea, now(), 'r', 'a', 'api', '', '', '', ''
            FROM generate_series(1, 20000) AS n
            """,
            (clinic.id,),
        )
        if analysed:
            owner.execute("VACUUM ANALYZE ledger_events")
    with clinic.ledger.recorder.connection() as connection:  # type: ignore[attr-defined] # of this store
        nodes = explain(connection, "history", "told_of_others")
    (told,) = (node for node in nodes if node.get("Alias") == "told")
    assert told["Index Name"] in {"ledger_events_of_organization", "ledger_events_position"}
    assert "position" in told["Index Cond"]


@pytest.mark.parametrize("count", [2_000, MANY])
def test_a_look_up_reads_a_key_to_its_limit_and_no_further(clinic: Clinic, count: int):
    """Buffers, not time: what one look-up touches does not grow with the number of patients."""
    fill(clinic.url, clinic.id, count)
    columns = {
        "organizations": [clinic.id] * 2, "kinds": ["phone", "email"], "keys": ["phone1", "email1"], "limit": 51,
        "known_ids": [clinic.id], "known_versions": [1],
    }  # fmt: skip
    text = re.sub(
        r"%\((\w+)\)s",
        lambda found: f"%({found[1]})s::{TYPES[found[1]]}",
        statements("event_store")["look_up"].decode(),
    )
    with clinic.ledger.recorder.reading(clinic.id) as cursor:
        ((plan,),) = cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}".encode(), columns).fetchall()
    (locked,) = (node for node in _nodes(plan[0]["Plan"]) if node["Node Type"] == "LockRows")
    assert locked["Actual Rows"] * locked["Actual Loops"] == 53, (
        "two with the phone, and 51 of the hundred with the email"
    )
    (keys,) = (node for node in _nodes(plan[0]["Plan"]) if node.get("Relation Name") == "match_keys")
    assert keys["Index Name"] == "match_keys_pkey"
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 1_000
