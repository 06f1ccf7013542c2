"""The page with a form to try each call works in a browser, under its strict policy, and asks no other host."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, expect

from api.bootstrap import build_ledger
from tests.api.clinic import found_clinic
from tests.api.service import serving
from tests.conftest import NewDatabase

expect.set_options(timeout=20_000)  # milliseconds: a machine may be busy


@pytest.fixture(scope="module")
def service(new_database: NewDatabase) -> Iterator[tuple[str, str]]:
    """Yield (URL of the service, an API key)."""
    with new_database() as url:
        with build_ledger(url) as ledger:
            clinic = found_clinic(ledger)
        with serving(url, workers=1) as base:
            yield base, clinic.api_key


def test_a_newcomer_upserts_a_patient_from_the_page_and_nobody_else_is_asked(page: Page, service: tuple[str, str]):
    base, api_key = service
    hosts: set[str] = set()
    complaints: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith("data:"):
            hosts.add(urlsplit(request.url).netloc)

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("request", note)
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{base}/docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("apiKey-value").or_(page.locator("#api_key_value")).first.fill(api_key)
    page.locator(".auth-btn-wrapper button.authorize").click()
    page.locator(".btn-done").click()
    operation = page.locator("#operations-patients-upsertPatient")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .highlight-code").first
    expect(answer).to_contain_text('"created": true')
    expect(operation.locator(".live-responses-table .response .response-col_status").first).to_contain_text("200")
    assert hosts == {urlsplit(base).netloc}
    assert complaints == []


def test_the_pages_of_errors_are_reachable_from_there(page: Page, service: tuple[str, str]):
    base, _ = service
    page.goto(f"{base}/docs")
    page.get_by_role("link", name="What an error means").click()
    page.get_by_role("link", name="too-little-to-identify").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Too little to identify a patient")
    expect(page.get_by_text("Send a phone, or first name")).to_be_visible()
