"""How fast would the least be that does the job by hand? The floor that `bench upsert` is measured against.

Falcon, granian and psycopg like the service; plain tables, three indexed look-ups, rapidfuzz on the name, INSERT or
UPDATE, one audit row, one transaction. No events, proofs, drops, vetoes, tenants' isolation or history.
"""

import hashlib
import os
from datetime import datetime
from typing import Any
from uuid import uuid4

import falcon
import orjson
from falcon import Request, Response
from psycopg import Connection
from psycopg.errors import DeadlockDetected, UniqueViolation
from psycopg_pool import ConnectionPool
from rapidfuzz.distance import JaroWinkler

SCHEMA = """
CREATE TABLE floor_keys (hash bytea PRIMARY KEY, organization_id uuid NOT NULL);
CREATE TABLE floor_patients (
    id uuid PRIMARY KEY, organization_id uuid NOT NULL, external_id text, first_name text, last_name text,
    date_of_birth date, phone text, email text, address text, city text, state text, zip text, gender text,
    updated_at timestamptz NOT NULL DEFAULT now());
CREATE UNIQUE INDEX floor_by_external_id ON floor_patients (organization_id, external_id);
CREATE INDEX floor_by_demographics ON floor_patients (organization_id, date_of_birth, last_name, first_name);
CREATE INDEX floor_by_phone ON floor_patients (organization_id, phone);
CREATE TABLE floor_audit (
    id bigserial PRIMARY KEY, patient_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT now(), body bytea NOT NULL);
"""

COLUMNS = (
    "external_id", "first_name", "last_name", "date_of_birth", "phone", "email", "address", "city", "state", "zip",
    "gender",
)  # fmt: skip
_SHOWN = ", ".join(("id", *COLUMNS))
_FIND = f"SELECT {_SHOWN} FROM floor_patients WHERE organization_id = %(organization_id)s AND "  # noqa: S608 - names
BY_EXTERNAL_ID = _FIND + "external_id = %(external_id)s FOR UPDATE"
BY_DEMOGRAPHICS = (
    _FIND + "date_of_birth = %(date_of_birth)s AND last_name = %(last_name)s AND first_name = %(first_name)s FOR UPDATE"
)
BY_PHONE = _FIND + "phone = %(phone)s FOR UPDATE"
INSERT = (
    f"INSERT INTO floor_patients (id, organization_id, {', '.join(COLUMNS)})"  # noqa: S608 - names
    f" VALUES (%(id)s, %(organization_id)s, {', '.join(f'%({name})s' for name in COLUMNS)})"
    f" ON CONFLICT (organization_id, external_id) DO UPDATE SET updated_at = now() RETURNING {_SHOWN}"
)
UPDATE = (
    f"UPDATE floor_patients SET {', '.join(f'{name} = coalesce(%({name})s, {name})' for name in COLUMNS)},"  # noqa: S608
    f" updated_at = now() WHERE id = %(id)s RETURNING {_SHOWN}"
)
AUDIT = "INSERT INTO floor_audit (patient_id, body) VALUES (%(id)s, %(body)s)"


def read(body: dict[str, Any]) -> dict[str, Any]:
    """Return the row that a body means."""
    row: dict[str, Any] = {name: body.get(name) for name in COLUMNS}
    row["external_id"] = (body.get("external_id") or {}).get("value")
    digits = "".join(filter(str.isdigit, body.get("phone_number") or ""))
    row["phone"] = f"+1{digits[-10:]}" if len(digits) >= 10 else None
    row["email"] = (body.get("email") or "").strip().lower() or None
    for form in ("%Y-%m-%d", "%m/%d/%Y", "%Y%m%d"):
        try:
            row["date_of_birth"] = datetime.strptime(body.get("date_of_birth") or "", form).date()  # noqa: DTZ007
            break
        except ValueError:
            row["date_of_birth"] = None
    return row


def upsert(connection: Connection[Any], row: dict[str, Any], body: bytes) -> tuple[bool, tuple[Any, ...]]:
    """Return (created, the stored row)."""
    found = None
    if row["external_id"]:
        found = connection.execute(BY_EXTERNAL_ID, row).fetchone()
    if found is None:
        found = connection.execute(BY_DEMOGRAPHICS, row).fetchone()
    if found is None and row["phone"]:
        name = f"{row['first_name']} {row['last_name']}".lower()
        for candidate in connection.execute(BY_PHONE, row).fetchall():
            if JaroWinkler.similarity(name, f"{candidate[2]} {candidate[3]}".lower()) >= 0.88:
                found = candidate
                break
    row["id"] = uuid4() if found is None else found[0]
    stored = connection.execute(INSERT if found is None else UPDATE, row).fetchone()
    connection.execute(AUDIT, {"id": row["id"], "body": body})
    assert stored is not None
    return found is None, stored


class Upsert:
    """`POST /v1/patients/upsert`, as little as will do."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def on_post(self, req: Request, resp: Response) -> None:
        """Place one record."""
        body = req.bounded_stream.read()
        row = read(orjson.loads(body))
        digest = hashlib.sha256((req.get_header("X-API-Key") or "").encode()).digest()
        with self._pool.connection() as connection:
            owner = connection.execute("SELECT organization_id FROM floor_keys WHERE hash = %s", (digest,)).fetchone()
            if owner is None:
                raise falcon.HTTPUnauthorized
            row["organization_id"] = owner[0]
            try:
                created, stored = upsert(connection, row, body)
            except (UniqueViolation, DeadlockDetected):  # somebody else was first: now the row is found
                connection.rollback()
                created, stored = upsert(connection, row, body)
        resp.content_type = falcon.MEDIA_JSON
        patient = dict(zip(("id", *COLUMNS), stored, strict=True))
        resp.data = orjson.dumps({"patient": patient, "matched": not created, "created": created})


def get_app() -> Any:
    """Return the floor's application, on the database of FLOOR_DATABASE_URL."""
    pool = ConnectionPool(os.environ["FLOOR_DATABASE_URL"], min_size=2, max_size=8, open=True)
    app = falcon.App()
    app.add_route("/v1/patients/upsert", Upsert(pool))
    return app
