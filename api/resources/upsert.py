"""`POST /v1/patients/upsert`: where did this record land?"""

from typing import Any, ClassVar

import orjson
from falcon import MEDIA_JSON, Request, Response

from api import metrics, parameters, reads
from api.answers import Upserted
from api.bodies import UNREADABLE, parse_object, read_bytes
from api.operations import Operation, Resource
from domain.errors import LedgerError, TooLittleToIdentify
from domain.idempotency import KeyUsedBefore, RequestUnderWay
from domain.matching import Match
from domain.receipt import Receipt, Upsert
from domain.record import UpsertRecord, read_record
from domain.upsert import told_rival
from projections.resource import patient_resource


class UpsertPatient(Resource):
    """A partner sends a record; we answer with where it landed.

    The patient is looked for by external id, then by name and date of birth, then by phone or email with a fitting
    name; only one who is singled out is updated, otherwise a new patient is created. Sent values replace those held;
    what is null, blank or missing changes nothing; what cannot be used is dropped and named in `dropped_fields`.
    The same record again changes nothing and gets the same patient.
    """

    scopes: ClassVar = {"POST": "patients:write"}
    operations: ClassVar = {
        "POST": Operation(
            id="upsertPatient",
            body=UpsertRecord,
            example={
                "first_name": "Ann",
                "last_name": "Garcia",
                "date_of_birth": "03/01/1980",
                "phone_number": "(212) 555-0142",
            },
            answer=Upserted,
            parameters=(parameters.DRY_RUN, parameters.IDEMPOTENCY_KEY),
            refusals=(*UNREADABLE, TooLittleToIdentify, RequestUnderWay, KeyUsedBefore),
        )
    }

    def on_post(self, req: Request, resp: Response) -> None:
        """Create or update a patient."""
        body = parse_object(read_bytes(req, self._settings.max_body_bytes))
        record, received = read_record(body)
        upsert = Upsert(record, parameters.caller(req), received, parameters.request_key(req, body))
        if dry_run := parameters.flag(req, "dry_run"):
            receipt = _only(self._ledger.upsert_many([upsert], dry_run=True))
        else:
            receipt = self._ledger.upsert(upsert)
        if not dry_run:
            metrics.count_receipt(receipt)
        req.context.shown_patients = reads.told_by_no_event([receipt], dry_run=dry_run)
        if receipt.replayed:
            resp.set_header("Idempotent-Replayed", "true")
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps(answer(receipt))


def _only(results: list[Receipt | LedgerError]) -> Receipt:
    result = results[0]
    if isinstance(result, LedgerError):
        raise result
    return result


def answer(receipt: Receipt) -> dict[str, Any]:
    """Return the documented answer: patient, matched, created, match_tier, dropped_fields, and how it came about."""
    outcome = receipt.outcome
    matched = isinstance(outcome, Match)
    return {
        "patient": patient_resource(receipt.patient, receipt.organization),
        "matched": matched,
        "created": not matched,
        "match_tier": outcome.tier if isinstance(outcome, Match) else None,
        "dropped_fields": list(dict.fromkeys(drop.field for drop in receipt.dropped)),
        "dropped": [{"field": drop.field, "reason": drop.reason} for drop in receipt.dropped],
        "receipt": {
            "request_id": receipt.request_id,
            "position": receipt.position,
            "events": [type(event).__name__ for event in receipt.events],
            "match": {
                "tier": outcome.tier if isinstance(outcome, Match) else None,
                "rule_version": receipt.rule_version,
                "evidence": dict(outcome.evidence) if isinstance(outcome, Match) else {},
                "rivals": [told_rival(rival) for rival in outcome.rivals],
            },
        },
    }
