"""What a partner sends stands in the ledger and in answers, and nowhere else.

A value that nobody else has goes into every field, parameter, header and path, usable and not, with everything logged
that can be logged. Afterwards it is looked for wherever a value could leak to who may not see patients.
"""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import pytest

from tests.domain.records import DOCUMENTED
from tests.faults.installation import command_line
from tests.faults.served import Served, serving
from tests.faults.truth import entries

WORD = "zyxwcanary"
NAME = "zyxwfield"
"""A field that there is not: answers may tell its name, so that it can be corrected; nothing else may."""
PHONES = ("2127770123", "2127770124")
DAY = "1947-07-13"
LEAKED = re.compile(rf"{WORD}|{NAME}|212\W{{0,2}}777\W?012[34]|1947-?07-?13|0?7/13/1947", re.IGNORECASE)
NOBODY = "01890000-0000-7000-8000-00000000dead"


def canary(value: Any, name: str = "") -> Any:
    """Return a body as this one, with a canary for every text; numbers and dates where the name asks for them."""
    if isinstance(value, dict):
        return {key: canary(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [canary(part, name) for part in value]
    if not isinstance(value, str) or name.endswith("_id") or name == "payor_responsibility":
        return value
    if "phone" in name or "fax" in name:
        return f"({PHONES[0][:3]}) {PHONES[0][3:6]}-{PHONES[0][6:]}"
    if "date" in name or name in ("dob", "coverage_from", "coverage_to"):
        return DAY
    return f"{WORD}@example.com" if "email" in name else f"{WORD} {name}"


USABLE = canary(DOCUMENTED)
UNUSABLE: dict[str, Any] = {name: {NAME: [WORD, {NAME: WORD}]} for name in DOCUMENTED} | {NAME: WORD}
MISREAD: dict[str, Any] = dict.fromkeys(DOCUMENTED, f"{WORD} {PHONES[1]} {DAY} \u0007 {'x' * 300}")


class Watch:
    """Reads command lines and the queries that PostgreSQL shows: twenty times a second, and once more at the end."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.looks = 0
        self.leaks: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._connection.close()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self._look()
        self._look()

    def _look(self) -> None:
        seen = [row[0] for row in self._connection.execute("SELECT query FROM pg_stat_activity")]
        seen += [command_line(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        self.leaks |= {text for text in seen if LEAKED.search(text or "")}
        self.looks += 1


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    with serving(folder, LEDGER_LOG_LEVEL="debug") as running:
        yield running


def test_no_value_leaves_the_ledger_but_in_answers(served: Served):
    with served.database() as url:
        with Watch(url) as watch, httpx.Client(base_url=served.demo["base_url"], timeout=60) as client:
            accepted, refused = send_everything(client, served)
            metrics = client.get("/metrics").text
        stored = len(entries(url))
    log = (served.folder / "postgres" / "server.log").read_text(errors="replace")
    print(f"{len(accepted)} accepted, {len(refused)} refused, {watch.looks} looks at processes, {stored} events stored")
    told = "".join(answer.text for answer in accepted)
    assert {LEAKED.search(told, told.index(kind)) is not None for kind in (WORD, PHONES[0], DAY)} == {True}, (
        "they arrived"
    )
    assert {answer.status_code // 100 for answer in refused} == {4}
    assert [answer.text for answer in refused if LEAKED.search(answer.text.replace(NAME, ""))] == []
    assert [line for line in served.said().splitlines() if LEAKED.search(line)] == []
    assert [line for line in log.splitlines() if LEAKED.search(line)] == []
    assert [line for line in metrics.splitlines() if LEAKED.search(line)] == []
    assert watch.leaks == set()
    assert watch.looks


def send_everything(client: httpx.Client, served: Served) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """Send canaries wherever something can be sent; return the answers that accepted and those that refused."""
    answers = [*send_bodies(client, served), *send_words(client, served), *send_to_panel(client)]
    return (
        [answer for answer in answers if answer.status_code < 400],
        [answer for answer in answers if answer.status_code >= 400],
    )


def send_bodies(client: httpx.Client, served: Served) -> Iterator[httpx.Response]:
    key = {"X-API-Key": served.clinic.api_key}
    usable = USABLE | {"external_id": {"type_id": served.demo["external_id_types"][0]["id"], "value": WORD}}
    for body in (usable, UNUSABLE, MISREAD, usable | {"last_name": f"{WORD} other", "phone_number": PHONES[1]}):
        for query in ("", "?dry_run=true"):
            yield client.post(f"/v1/patients/upsert{query}", json=body, headers=key)
    lines = "\n".join(map(json.dumps, (usable, UNUSABLE, MISREAD)))
    yield client.post("/v1/patients/upsert-batch", content=f"{lines}\n{WORD}\n{{{WORD}", headers=key)
    yield client.post("/v1/patients/upsert", json=usable, headers=key | {"Idempotency-Key": WORD})
    yield client.post("/v1/patients/upsert", json=usable | {"city": WORD}, headers=key | {"Idempotency-Key": WORD})
    for content in (f'{{"first_name": "{WORD}"', f'["{WORD}"]', f'"{WORD}"', f'{{"a": "{WORD}\\u0000"}}', WORD):
        yield client.post("/v1/patients/upsert", content=content, headers=key)
    yield client.post("/v1/patients/upsert", content=WORD.encode() * 200_000, headers=key)
    yield client.post("/v1/patients/upsert", content=b'{"a":' * 100 + WORD.encode(), headers=key)
    patient = client.post("/v1/patients/upsert", json=usable, headers=key).json()["patient"]["id"]
    for spoken in ({"channel": WORD, "direction": WORD, "occurred_at": WORD}, {NAME: DAY}):
        yield client.post(f"/v1/patients/{patient}/communications", json=spoken, headers=key)


def send_words(client: httpx.Client, served: Served) -> Iterator[httpx.Response]:
    key = {"X-API-Key": served.clinic.api_key}
    words = {NAME: WORD, "as_of": WORD, "limit": WORD, "before": WORD, "kind": WORD, "field": WORD, "after": WORD}
    search = {"last_name": WORD, "date_of_birth": DAY, "phone": PHONES[0], "email": f"{WORD}@example.com"}
    for path in ("", f"/{WORD}", f"/{NOBODY}", f"/{NOBODY}/history", f"/{WORD}/history", f"/{WORD}/communications"):
        for name, value in (words | search).items():
            yield client.get(f"/v1/patients{path}", params={name: value}, headers=key)
    yield client.get("/v1/patients", params=search, headers=key)
    for path in (f"/{WORD}", f"/v1/{WORD}", f"/v1/events?after={WORD}", f"/v1/duplicates/{WORD}", f"/docs/{WORD}"):
        yield client.get(path, headers=key)
        yield client.request("DELETE", path, headers=key | {"User-Agent": WORD, "Accept": WORD, "Cookie": WORD})
    for wrong in (WORD, f"pl_live_{WORD}ab_{WORD * 4}", served.clinic.api_key[:-10] + WORD):
        yield client.get(f"/v1/patients/{NOBODY}", headers={"X-API-Key": wrong})
    yield client.post("/v1/patients/upsert", content=b"{}", headers=key | {"Content-Encoding": WORD})


def send_to_panel(client: httpx.Client) -> Iterator[httpx.Response]:
    form = {"login": f"{WORD}@example.com", "password": WORD, "form_token": WORD, "next": f"/{WORD}"}
    yield client.post("/panel/sign-in", data=form)
    yield client.get(f"/panel/link/{WORD}")
    yield client.get("/panel/patients/" + WORD, params={"text": WORD}, headers={"Cookie": f"panel_session={WORD}"})
