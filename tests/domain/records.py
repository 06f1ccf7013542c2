"""Records as partners send them, and an organization to read them for."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from domain.dropped import Dropped
from domain.normalise import Clean, normalise
from domain.organization import Organization
from domain.payors import LocationRate, Payor, Service, Subscriber
from domain.record import ExternalId, UpsertRecord, read_record
from domain.referrals import Referral
from domain.values import Sent

EXTERNAL_ID_TYPE = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
LOCATION = "5e0a4c1e-3f0b-4c58-9d0e-0b6c7f4c1a01"
USER = "5e0a4c1e-3f0b-4c58-9d0e-0b6c7f4c1a02"
WORKFLOW_STAGE = "5e0a4c1e-3f0b-4c58-9d0e-0b6c7f4c1a03"
INSURANCE = "5e0a4c1e-3f0b-4c58-9d0e-0b6c7f4c1a04"
TODAY = date(2026, 11, 23)

ORGANIZATION = Organization(
    id="a2a1f5a4-1f0e-4d39-9d0b-7d6f4a1c0001",
    name="Hudson Physical Therapy",
    created_at="2026-01-01T00:00:00Z",
    external_id_types={EXTERNAL_ID_TYPE: {}},
    locations={LOCATION: {}},
    users={USER: {}},
    workflow_stages={WORKFLOW_STAGE: {}},
    insurances={INSURANCE: {}},
)

DOCUMENTED = json.loads((Path(__file__).parent / "documented_record.json").read_text())
"""A record with every field of the contract, each with a usable value."""


def outcome(
    body: dict[str, Any], *, organization: Organization = ORGANIZATION, today: date = TODAY
) -> tuple[Clean, tuple[Dropped, ...]]:
    """Return what a body says and what was dropped of it."""
    record, received = read_record(body)
    return normalise(record, organization=organization, today=today, received=received)


def reasons(body: dict[str, Any]) -> dict[str, str]:
    """Return field → reason of all that was dropped of a body."""
    return {dropped.field: dropped.reason for dropped in outcome(body)[1]}


def body_of(clean: Clean) -> dict[str, Any]:
    """Return a body that says what a clean record says."""
    facts = dict(clean.facts)
    if extension := facts.pop("phone_extension", None):
        facts["phone_number"] += f" x{extension}"
    parts: dict[str, Any] = {
        "external_id": clean.external_id and {"type_id": clean.external_id[0], "value": clean.external_id[1]},
        "tags": None if clean.tags is None else list(clean.tags),
        "custom_fields": dict(clean.custom_fields),
        "payors": list(clean.payors),
        "referral": clean.referral,
        "source": clean.source,
    }
    return facts | {name: part for name, part in parts.items() if part is not None}


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(max_size=12) | st.sampled_from(
    [
        " Jose\u0301\u200b \t\x85 n ",
        "line\r\n\n  two\u2028three\x00",
        "Verified",
        "Secondary",
        "bulk-import",
        "yes",
    ]
)
days = st.sampled_from(["2/29/00", "9999-12-31T23:59:59-01:00", "2023-11-07T23:31:56.25-05:00"]) | st.from_regex(
    r"(19|20)[0-9]{2}-?[01][0-9]-?[0-3][0-9]( [0-9]{1,2}:[0-9]{2}( [AP]M)?)?|[01]?[0-9]/[0-3]?[0-9]/([0-9]{2}){1,2}",
    fullmatch=True,
)
numbers = st.sampled_from(["(212) 555-0142 ext. 7", "+44 20 7183 8750", "1-800-FLOWERS", "999-999-9999"]) | (
    st.from_regex(r"\+?[0-9() .x;-]{7,18}", fullmatch=True)
)
addresses = st.sampled_from(["ANN.LEE+x@Example.COM", "noemail@none.com", "Ü@bücher.example"]) | st.emails()
amounts = st.integers(-(10**16), 10**16) | st.floats() | st.sampled_from(["$1,250.50", "12.50%", "no", True])
owned = st.sampled_from([LOCATION, USER, WORKFLOW_STAGE, INSURANCE, EXTERNAL_ID_TYPE]).map(str.upper)
FITTING = {
    "phone": numbers,
    "fax": numbers,
    "email": addresses,
    "date": days,
    "dob": days,
    "coverage": days,
    "_id": owned,
    "network": amounts,
    "rate": amounts,
}
"""Part of a field's name → what fits it."""


def _mostly(fitting: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda roll: fitting if roll else json_values)


def _part(model: type[Sent], **nested: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    fitting = {
        name: next((values for part, values in FITTING.items() if part in name), texts) for name in model.model_fields
    }
    sent = {name: _mostly(values) for name, values in (fitting | nested).items()}
    strange = st.dictionaries(st.text(max_size=8), json_values, max_size=1)
    return st.builds(lambda known, more: {**more, **known}, st.fixed_dictionaries({}, optional=sent), strange)


def _some(entries: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(_mostly(entries), max_size=2)


_services = _part(Service, verification_dates=_some(days), location_rates=_some(_part(LocationRate)))
_payors = _part(Payor, subscriber=_part(Subscriber), services=_some(_services))
bodies = _part(
    UpsertRecord,
    external_id=_part(ExternalId, type_id=st.just(EXTERNAL_ID_TYPE), value=texts),
    tags=_some(texts),
    referral=_part(Referral, icd_codes=_some(texts), service_types=_some(texts)),
    custom_fields=st.dictionaries(st.text(max_size=8), json_values, max_size=3),
    payors=_some(_payors),
)
"""Bodies with the contract's fields, filled with what partners send, nearly send, and never should."""
