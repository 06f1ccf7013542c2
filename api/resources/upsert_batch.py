"""`POST /v1/patients/upsert-batch`: where did each of these records land?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import orjson
from falcon import Request, Response

from api import metrics, parameters, problems, reads
from api.answers import RefusedLine, UpsertedLine
from api.bodies import BodyTooLarge, Encoded, parse_object
from api.lines import Line, Lines
from api.operations import Operation, Resource
from api.resources.upsert import answer
from domain.errors import LedgerError, LedgerUnavailable
from domain.ledger import Ledger
from domain.receipt import Receipt, Upsert
from domain.record import UpsertRecord, read_record

MEDIA = "application/x-ndjson"

LIST = 50
"""Records of a transaction."""

_LINE_ENDS = tuple((each.encode(), b"\\u%04x" % ord(each)) for each in "\x85\u2028\u2029")


class UpsertBatch(Resource):
    """A partner sends many records, one JSON object a line; each is answered as if it had come alone.

    The answer has one line for each record, in their order, while the body is still coming in: as `upsert` answers,
    with `line` and `status`, or problem details with both. A line that is refused does not hold up the others. Blank
    lines are skipped. Every record is a request of its own: `X-Request-Id` and the number of its line.

    With `Idempotency-Key` the lines have keys of their own: the same batch again gets the same answers.
    """

    scopes: ClassVar = {"POST": "patients:write"}
    operations: ClassVar = {
        "POST": Operation(
            id="upsertPatients",
            body=UpsertRecord,
            example={"first_name": "Ann", "last_name": "Garcia", "phone_number": "(212) 555-0142"},
            answer=UpsertedLine,
            refused_line=RefusedLine,
            media=MEDIA,
            parameters=(parameters.DRY_RUN, parameters.IDEMPOTENCY_KEY),
            refusals=(BodyTooLarge, Encoded),
        )
    }

    def on_post(self, req: Request, resp: Response) -> None:
        """Create or update many patients."""
        dry_run = parameters.flag(req, "dry_run")
        parameters.request_key(req, {})  # refused as a whole
        lines = Lines(req, limit=self._settings.max_batch_bytes, longest=self._settings.max_body_bytes)
        resp.content_type = MEDIA
        resp.stream = _answers(self._ledger, req, lines, dry_run=dry_run)


@dataclass(frozen=True)
class _Record:
    """One line: what it says, or why it says nothing."""

    number: int
    request_id: str
    upsert: Upsert | LedgerError


def _answers(ledger: Ledger, req: Request, lines: Lines, *, dry_run: bool) -> Iterator[bytes]:
    number = 0
    for gathered in lines.lists(LIST):
        records = []
        for line in gathered:
            number += 1
            if not isinstance(line, bytes) or line.strip():
                records.append(_read(req, number, line))
        results = _placed(ledger, [each.upsert for each in records if isinstance(each.upsert, Upsert)], dry_run)
        receipts = [each for each in results if isinstance(each, Receipt)]
        for receipt in receipts if not dry_run else ():
            metrics.count_receipt(receipt)
        placed = iter(_recorded(ledger, req, results, reads.told_by_no_event(receipts, dry_run=dry_run)))
        for record in records:
            told = _told(record, next(placed) if isinstance(record.upsert, Upsert) else record.upsert)
            yield _one_line(orjson.dumps(told))


def _one_line(told: bytes) -> bytes:
    """Return JSON as a line for those as well who take more than a line feed for its end, such as Python and httpx."""
    for character, escape in _LINE_ENDS:
        told = told.replace(character, escape)
    return told + b"\n"


def _read(req: Request, number: int, line: Line) -> _Record:
    request_id = f"{req.context.request_id}.{number}"
    if not isinstance(line, bytes):
        return _Record(number, request_id, line)
    try:
        body = parse_object(line)
        record, received = read_record(body)
        caller = replace(parameters.caller(req), request_id=request_id)
        key = parameters.request_key(req, body, number)
        return _Record(number, request_id, Upsert(record, caller, received, key))
    except LedgerError as error:
        return _Record(number, request_id, error)


def _placed(ledger: Ledger, upserts: Sequence[Upsert], dry_run: bool) -> Sequence[Receipt | Exception]:
    """Place a list; where a record breaks the program, each is placed alone, so that it fails by itself."""
    if not upserts:
        return []
    try:
        return ledger.upsert_many(upserts, dry_run=dry_run)
    except LedgerUnavailable as error:
        return [error] * len(upserts)
    except Exception as error:  # noqa: BLE001 - answered and logged as the bug it is, in its own line
        if len(upserts) == 1:
            return [error]
        return [result for upsert in upserts for result in _placed(ledger, [upsert], dry_run)]


def _recorded(
    ledger: Ledger, req: Request, results: Sequence[Receipt | Exception], shown: Sequence[str]
) -> Sequence[Receipt | Exception]:
    """Return the results, once it is recorded whom they show; what cannot be is an error in its own lines."""
    try:
        if shown:
            reads.record(ledger, req, shown)
    except LedgerUnavailable as error:
        return [error if isinstance(each, Receipt) and each.decided.id in shown else each for each in results]
    return results


def _told(record: _Record, result: Receipt | Exception) -> dict[str, Any]:
    if isinstance(result, Receipt):
        replayed = {"replayed": True} if result.replayed else {}
        return {"line": record.number, "status": 200, **answer(result), **replayed}
    if isinstance(result, LedgerError):
        return {"line": record.number, **problems.in_a_line(result, record.request_id)}
    problems.log_bug(result, record.request_id)
    return {"line": record.number, **problems.details(problems.BUG, problems.BUG_DETAIL, record.request_id)}
