"""A clinic with reference data and keys, and a partner who speaks to the service for it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from falcon.testing import Result, TestClient

from api.bootstrap import new_id
from api.keys import SCOPES, new_key
from domain.commands import AddReferenceItem, CreateOrganization
from domain.ledger import Ledger
from domain.receipt import Caller
from tests.domain.records import EXTERNAL_ID_TYPE, INSURANCE, LOCATION, USER, WORKFLOW_STAGE

REFERENCE_DATA: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("external-id-type", EXTERNAL_ID_TYPE, {}),
    ("location", LOCATION, {}),
    ("user", USER, {"email": "staff@clinic.example.com"}),
    ("workflow-stage", WORKFLOW_STAGE, {"order": 2, "description": "First contact"}),
    ("insurance", INSURANCE, {}),
)


class Clinic(NamedTuple):
    """An organization and a key that may do everything."""

    organization_id: str
    api_key: str


class Partner(NamedTuple):
    """A client that sends its key along."""

    client: TestClient
    api_key: str | None

    def upsert(self, body: Any, *, query: str = "", **headers: str) -> Result:
        return self.post(f"/v1/patients/upsert{query}", body, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Result:
        sent = {"body": body} if isinstance(body, bytes) else {"json": body}
        return self.client.simulate_post(path, headers=self._headers(headers), **sent)

    def get(self, path: str, **headers: str) -> Result:
        return self.client.simulate_get(path, headers=self._headers(headers))

    def find(self, **params: str) -> Result:
        return self.client.simulate_get("/v1/patients", params=params, headers=self._headers({}))

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        own = {} if self.api_key is None else {"X-API-Key": self.api_key}
        return {**own, **{name.replace("_", "-"): value for name, value in headers.items()}}


def found_clinic(ledger: Ledger) -> Clinic:
    """Make an organization with one of everything a record may point at; return it with a key for all scopes."""
    founder = Caller(str(new_id()), "test", "founding")
    ledger.administer(CreateOrganization(name="Hudson Physical Therapy"), founder)
    for kind, item_id, details in REFERENCE_DATA:
        item = AddReferenceItem(kind=kind, item_id=item_id, name=f"some {kind}", details=details)
        ledger.administer(item, founder)
    return Clinic(founder.organization_id, issue_key(ledger, founder.organization_id))


def issue_key(ledger: Ledger, organization_id: str, scopes: Iterable[str] = SCOPES) -> str:
    """Return a new key of the organization."""
    shown, command = new_key("partner", scopes)
    ledger.administer(command, Caller(organization_id, "test", "issuing"))
    return shown
