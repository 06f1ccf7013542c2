"""How soon does a person see a history of a thousand events, in a real browser, beside an almost empty page?

Chromium, a cold page each time, one worker process; and what `as_of` costs in the process alone. The median
and the most, in ms as they passed: other work on the machine counts.
"""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Page, sync_playwright

from api.bootstrap import build_ledger, new_id
from api.panel.accounts import add_member
from api.settings import Settings
from domain.commands import AddReferenceItem, CreateOrganization
from domain.errors import LedgerError
from domain.ledger import Ledger
from domain.receipt import Caller, Upsert
from domain.record import read_record
from projections.migrations import migrate
from scripts.embedded import EmbeddedPostgres
from scripts.workers import Workers, base_url

PASSWORD = "correct horse battery"  # noqa: S105 - of a database that is thrown away
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CALM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]

_FIRST_PAINT = """new Promise(done => new PerformanceObserver((list, observer) => {
    observer.disconnect();
    done(list.getEntriesByName("first-contentful-paint")[0].startTime);
}).observe({type: "paint", buffered: true}))"""

_STEPS = """async versions => {
    const slider = document.querySelector("#slider"), taken = [];
    for (const version of versions) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        slider.value = version;
        slider.dispatchEvent(new Event("input", {bubbles: true}));
        document.querySelector("#card").getBoundingClientRect();
        taken.push(performance.now() - began);
    }
    return taken;
}"""


class NoBrowser(LedgerError):
    """There is no chromium to measure with; Debian has it as `apt-get install chromium`."""


def run(*, events: int, rounds: int) -> dict[str, Any]:
    """Return the figures for a patient with this many events; rounds alternate between the history and the floor."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise NoBrowser
    with (
        tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder,
        EmbeddedPostgres(Path(folder), "bench") as server,
    ):
        url = server.database("ledger")
        migrate(url)
        with build_ledger(url) as ledger:
            organization_id, patient_id, held = _long_history(ledger, events)
            as_of = _as_of(ledger, organization_id, patient_id, min(500, held), rounds)
        with _served(url) as address, _signed_in(address, browser) as page:
            paints, floor = [], []
            for _ in range(rounds):
                floor.append(_paint(page, "/panel"))
                paints.append(_paint(page, f"/panel/patients/{patient_id}"))
            steps = page.evaluate(_STEPS, [held * turn // 60 + 1 for turn in range(60)])
    return {
        "events": held,
        **_figures("first_paint", paints),
        **_figures("empty_page_paint", floor),
        **_figures("slider_step", steps),
        **as_of,
    }


def _long_history(ledger: Ledger, events: int) -> tuple[str, str, int]:
    """Return organization, patient and how many events it has: as many as asked for, or a few more."""
    founder = Caller(str(new_id()), "bench", "bench", source="manual")
    ledger.administer(CreateOrganization(name="bench"), founder)
    stages = [str(new_id()) for _ in range(2)]
    for place, stage in enumerate(stages):
        ledger.administer(AddReferenceItem(kind="workflow-stage", item_id=stage, name=f"Stage {place}"), founder)
    add_member(ledger, founder.organization_id, login="axel", name="Axel", role="auditor", password=PASSWORD)
    patient_id, version, turn = "", 0, 0
    while version < events:
        turn += 1
        body = {
            "first_name": "Lena", "last_name": "Long", "date_of_birth": "1971-07-07", "phone_number": "212-555-0188",
            "email": f"lena{turn}@example.com", "comments": f"Called again, note {turn}",
            "workflow_stage_id": stages[turn % 2], "custom_fields": {"visits": turn},
        }  # fmt: skip
        caller = Caller(founder.organization_id, "key:bench", f"req_{new_id().hex}")
        record, received = read_record(body)
        patient = ledger.upsert(Upsert(record, caller, received)).patient
        patient_id, version = patient.id, patient.version
    return founder.organization_id, patient_id, version


def _as_of(ledger: Ledger, organization_id: str, patient_id: str, version: int, rounds: int) -> dict[str, float]:
    wall, cpu = [], []
    for _ in range(rounds):
        began, busy = time.perf_counter(), time.process_time()
        ledger.patient_as_of(organization_id, patient_id, version=version)
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - busy) * 1000)
    return {"as_of_events": version, **_figures("as_of", wall), "as_of_cpu_ms": round(median(cpu), 1)}


@contextmanager
def _served(url: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["LEDGER_LOG_LEVEL"] = "error"  # the worker's: a line for each page is not what was asked for
    settings = Settings.model_validate({"workers": 1, "port": port, "database_url": url})
    with Workers(settings, url):
        yield base_url(settings)


@contextmanager
def _signed_in(address: str, browser: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=CALM)
        page = chromium.new_context(base_url=address, viewport={"width": 1320, "height": 900}).new_page()
        page.goto("/panel")
        page.get_by_label("Login").fill("axel")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Find a patient").wait_for()
        yield page
        chromium.close()


def _paint(page: Page, path: str) -> float:
    page.goto(path, wait_until="load")
    painted: float = page.evaluate(_FIRST_PAINT)
    return painted


def _figures(name: str, taken: list[float]) -> dict[str, float]:
    return {f"{name}_ms": round(median(taken), 1), f"{name}_most_ms": round(max(taken), 1)}
