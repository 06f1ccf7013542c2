"""What does an error look like? RFC 9457 problem details: one table from errors to answers, and nowhere else.

A problem names fields and rules, never values. `type` is a path of this service that explains the error.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import falcon
import orjson
import structlog
from falcon import Request, Response

from api import bodies, keys
from domain import errors
from domain.group_commit import TooManyWaiting

log = structlog.get_logger()

MEDIA_PROBLEM_JSON = "application/problem+json"


class Problem(NamedTuple):
    """How one kind of error is answered. `retry_after` in seconds."""

    status: HTTPStatus
    slug: str
    title: str
    retry_after: int | None = None


PROBLEMS: Mapping[type[errors.LedgerError], Problem] = {
    bodies.BodyTooLarge: Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", "Body too large"),
    bodies.NotJSON: Problem(HTTPStatus.BAD_REQUEST, "not-json", "Body is not JSON"),
    bodies.NotAnObject: Problem(HTTPStatus.BAD_REQUEST, "not-an-object", "Body is not an object"),
    bodies.TooDeep: Problem(HTTPStatus.BAD_REQUEST, "too-deep", "Body nested too deeply"),
    bodies.NulCharacter: Problem(HTTPStatus.BAD_REQUEST, "nul-character", "NUL in the body"),
    bodies.Encoded: Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoded", "Body is compressed"),
    keys.NotAuthenticated: Problem(HTTPStatus.UNAUTHORIZED, "not-authenticated", "No valid API key"),
    keys.NotAllowed: Problem(HTTPStatus.FORBIDDEN, "not-allowed", "Scope missing"),
    errors.TooLittleToIdentify: Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "too-little-to-identify", "Too little to identify a patient"
    ),
    errors.BadParameter: Problem(HTTPStatus.BAD_REQUEST, "bad-parameter", "Parameter cannot be used"),
    errors.UnknownPatient: Problem(HTTPStatus.NOT_FOUND, "unknown-patient", "No such patient"),
    errors.UnknownOrganization: Problem(HTTPStatus.UNAUTHORIZED, "not-authenticated", "No valid API key"),
    TooManyWaiting: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too-many-waiting", "Too busy", 1),
    errors.OutcomeUnknown: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "outcome-unknown", "Outcome unknown", 1),
    errors.LedgerUnavailable: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Database away", 2),
}
"""Error → answer; the first class of the error's ancestry that stands here counts."""


def problem_of(error: errors.LedgerError) -> Problem:
    """Return how this error is answered."""
    for cls in type(error).__mro__:
        if cls in PROBLEMS:
            return PROBLEMS[cls]
    raise error


def details(error: errors.LedgerError, request_id: str) -> dict[str, Any]:
    """Return the body of the problem: what was wrong, where, and what to do."""
    problem = problem_of(error)
    body: dict[str, Any] = {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status.value,
        "detail": type(error).__doc__,
        "request_id": request_id,
    }
    dropped = error.details.get("dropped")
    if dropped is not None:
        body["dropped_fields"] = list(dict.fromkeys(each.field for each in dropped))
        body["dropped"] = [{"field": each.field, "reason": each.reason} for each in dropped]
    for name in ("parameter", "scope", "limit_bytes"):
        if name in error.details:
            body[name] = error.details[name]
    return body


def answer_ledger_error(req: Request, resp: Response, error: errors.LedgerError, _params: object) -> None:
    """Answer an error of the ledger."""
    problem = problem_of(error)
    resp.status = problem.status
    resp.content_type = MEDIA_PROBLEM_JSON
    resp.data = orjson.dumps(details(error, req.context.request_id))
    if problem.retry_after is not None:
        resp.set_header("Retry-After", str(problem.retry_after))
    if problem.status is HTTPStatus.UNAUTHORIZED:
        resp.set_header("WWW-Authenticate", 'ApiKey header="X-API-Key"')


def answer_http_error(req: Request, resp: Response, error: falcon.HTTPError, _params: object) -> None:
    """Answer what the framework refuses (no such route, method not allowed, …)."""
    resp.status = error.status
    for name, value in dict(error.headers or {}).items():
        resp.set_header(name, value)
    resp.content_type = MEDIA_PROBLEM_JSON
    status = HTTPStatus(error.status_code)
    resp.data = orjson.dumps(
        {
            "type": f"/problems/{status.phrase.lower().replace(' ', '-')}",
            "title": status.phrase,
            "status": status.value,
            "detail": status.description or status.phrase,
            "request_id": getattr(req.context, "request_id", ""),
        }
    )


def answer_bug(req: Request, resp: Response, error: Exception, _params: object) -> None:
    """Answer a wrong program: say nothing of it outside, tell its kind and place in the log, no values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
    log.error("bug", error=type(error).__name__, place=place, request_id=req.context.request_id)
    resp.status = HTTPStatus.INTERNAL_SERVER_ERROR
    resp.content_type = MEDIA_PROBLEM_JSON
    resp.data = orjson.dumps(
        {
            "type": "/problems/internal-error",
            "title": "Internal error",
            "status": 500,
            "detail": "The ledger failed on this request; nothing of it was stored. Tell us the request id.",
            "request_id": req.context.request_id,
        }
    )
