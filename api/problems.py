"""What does an error look like? RFC 9457 problem details: one table from errors to answers, and nowhere else.

A problem names fields and rules, never values. `type` is a path of this service where a page explains the error
(`api.resources.docs`).
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import falcon
import orjson
import structlog
from falcon import Request, Response

from api import bodies, keys, limits, lines
from domain import errors, idempotency, merge, review
from domain.dropped import Reason
from domain.group_commit import TooManyWaiting

log = structlog.get_logger()

MEDIA_PROBLEM_JSON = "application/problem+json"


class Problem(NamedTuple):
    """How one kind of error is answered, and what a client does about it. `retry_after` in seconds."""

    status: HTTPStatus
    slug: str
    title: str
    remedy: str
    retry_after: int | None = None


_AGAIN = "Send the same request again after the time in Retry-After; it is applied once."
_SIGN_IN = "Send the key as issued in X-API-Key. When it is lost, expired or revoked, ask the clinic for another."

PROBLEMS: Mapping[type[errors.LedgerError], Problem] = {
    bodies.BodyTooLarge: Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        "Body too large",
        "Keep the body below `limit_bytes`; documents belong elsewhere, with their id in the record.",
    ),
    bodies.NotJSON: Problem(
        HTTPStatus.BAD_REQUEST, "not-json", "Body is not JSON", "Send one JSON object, encoded in UTF-8."
    ),
    bodies.NotAnObject: Problem(
        HTTPStatus.BAD_REQUEST, "not-an-object", "Body is not an object", "Send one JSON object: `{…}`."
    ),
    bodies.TooDeep: Problem(
        HTTPStatus.BAD_REQUEST, "too-deep", "Body nested too deeply", "Records nest seven levels; 64 are read."
    ),
    bodies.NulCharacter: Problem(
        HTTPStatus.BAD_REQUEST, "nul-character", "NUL in the body", "Remove `\\u0000` from texts and names."
    ),
    bodies.Encoded: Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoded", "Body is compressed", "Send the body without Content-Encoding."
    ),
    bodies.UnusableMember: Problem(
        HTTPStatus.BAD_REQUEST, "unusable-member", "Member cannot be used", "Correct the members named in `errors`."
    ),
    keys.NotAuthenticated: Problem(HTTPStatus.UNAUTHORIZED, "not-authenticated", "No valid API key", _SIGN_IN),
    keys.NotAllowed: Problem(
        HTTPStatus.FORBIDDEN, "not-allowed", "Scope missing", "Ask the clinic for a key with the scope in `scope`."
    ),
    limits.RateExceeded: Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "rate-exceeded",
        "Too many requests",
        "Wait for Retry-After; watch `RateLimit`.",
        1,
    ),
    limits.TooManySlowBodies: Problem(
        HTTPStatus.TOO_MANY_REQUESTS, "too-many-slow-bodies", "Too many slow bodies", "Use fewer connections.", 5
    ),
    limits.NoRoomForBodies: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-room-for-bodies", "Too busy", _AGAIN, 1),
    limits.TooManyWrongKeys: Problem(
        HTTPStatus.TOO_MANY_REQUESTS, "too-many-wrong-keys", "Too many wrong keys", _SIGN_IN, 1
    ),
    errors.TooLittleToIdentify: Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "too-little-to-identify",
        "Too little to identify a patient",
        "Send a phone, or first name, last name and date of birth, or the external id of a known patient. What was"
        " sent and could not be used stands in `dropped_fields`, and why in `errors`. Nothing was stored.",
    ),
    idempotency.RequestUnderWay: Problem(
        HTTPStatus.CONFLICT, "request-under-way", "Request under way", "Send it again after Retry-After.", 1
    ),
    idempotency.KeyUsedBefore: Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "key-used-before",
        "Idempotency-Key used before",
        "A key names one request for 30 days. Make a new one for each record, and keep it for its retries.",
    ),
    lines.Cut: Problem(
        HTTPStatus.BAD_REQUEST,
        "cut",
        "Body cut off",
        "The connection broke: send the lines again that have no answer. What was placed already stays silent.",
    ),
    errors.BadParameter: Problem(
        HTTPStatus.BAD_REQUEST, "bad-parameter", "Parameter cannot be used", "Correct the parameter in `parameter`."
    ),
    errors.UnreachedPosition: Problem(
        HTTPStatus.CONFLICT,
        "ahead-of-ledger",
        "Position ahead of the ledger",
        "Ask who runs the ledger at which position the backup ended, and read again from there, or from 0. What you"
        " hold from behind that position is not in the ledger any more.",
    ),
    errors.UnknownPatient: Problem(
        HTTPStatus.NOT_FOUND,
        "unknown-patient",
        "No such patient",
        "Use the `id` of an earlier answer, with a key of the same organization. Before a patient was created (`as_of`)"
        " and after it was erased there is none.",
    ),
    review.UnknownDuplicate: Problem(
        HTTPStatus.NOT_FOUND, "unknown-duplicate", "No such pair", "Use the `id` of a pair in `/v1/duplicates`."
    ),
    review.OnePatient: Problem(
        HTTPStatus.CONFLICT, "one-patient", "One patient", "Send `distinct` once somebody has looked."
    ),
    review.NotOfThePair: Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "not-of-the-pair", "Not of the pair", "Send the id of one of the two patients."
    ),
    merge.SamePatient: Problem(
        HTTPStatus.CONFLICT, "same-patient", "One patient already", "Nothing needs doing: both ids lead to one patient."
    ),
    merge.MergedElsewhere: Problem(
        HTTPStatus.CONFLICT,
        "merged-elsewhere",
        "Merged into another patient",
        "`merged_into` in the pair's patients says into which one. Of a chain of merges the last is undone first.",
    ),
    merge.NotMerged: Problem(HTTPStatus.CONFLICT, "not-merged", "Not merged", "Only a merged pair can be taken apart."),
    errors.UnknownOrganization: Problem(HTTPStatus.UNAUTHORIZED, "not-authenticated", "No valid API key", _SIGN_IN),
    TooManyWaiting: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too-many-waiting", "Too busy", _AGAIN, 1),
    errors.WriteConflict: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "write-conflict", "Overtaken", _AGAIN, 1),
    errors.OutcomeUnknown: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "outcome-unknown", "Outcome unknown", _AGAIN, 1),
    errors.LedgerUnavailable: Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Database away", _AGAIN, 2),
}
"""Error → answer; the first class of the error's ancestry that stands here counts."""

BUG = Problem(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal-error",
    "Internal error",
    "Tell us the `request_id`; the log knows the place.",
)
BUG_DETAIL = "The ledger failed on this request; nothing of it was stored."

REFUSED_BY_FRAMEWORK: Mapping[int, Problem] = {
    404: Problem(HTTPStatus.NOT_FOUND, "not-found", "No such route", "`/openapi.json` lists the routes."),
    405: Problem(
        HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", "Use a method listed in `Allow`."
    ),
    400: Problem(
        HTTPStatus.BAD_REQUEST, "bad-request", "Bad request", "Correct the request line or the header that is at fault."
    ),
}
"""Status → answer to what never reaches a resource; every other status is answered like 400."""


def catalogue() -> dict[str, tuple[Problem, str]]:
    """Return slug → (problem, what it says in `detail`), each once."""
    listed = {problem.slug: (problem, error.__doc__ or "") for error, problem in reversed([*PROBLEMS.items()])}
    own = {problem.slug: (problem, problem.status.description) for problem in REFUSED_BY_FRAMEWORK.values()}
    return dict(sorted({**listed, **own, BUG.slug: (BUG, BUG_DETAIL)}.items()))


def problem_of(error_type: type[errors.LedgerError]) -> Problem | None:
    """Return how this kind of error is answered; `None` for one that no request should meet."""
    return next((PROBLEMS[cls] for cls in error_type.__mro__ if cls in PROBLEMS), None)


def answer_ledger_error(req: Request, resp: Response, error: errors.LedgerError, params: object) -> None:
    """Answer an error of the ledger."""
    problem = problem_of(type(error))
    if problem is None:
        answer_bug(req, resp, error, params)
        return
    if "retry_after" in error.details:
        problem = problem._replace(retry_after=error.details["retry_after"])
    if problem.status is HTTPStatus.SERVICE_UNAVAILABLE:
        cause = str(error.details.get("cause", ""))
        log.warning("unavailable", error=type(error).__name__, reason=cause, request_id=req.context.get("request_id"))
    resp.set_headers(error.details.get("headers", {}))
    _answer(req, resp, problem, _detail(req, error), **_particulars(error))
    if problem.status is HTTPStatus.UNAUTHORIZED:
        resp.set_header("WWW-Authenticate", 'ApiKey header="X-API-Key"')


def _detail(req: Request, error: errors.LedgerError) -> str:
    """Return the error's sentence; of a parameter also what the operation expects of it."""
    said = type(error).__doc__ or ""
    operation = req.context.get("operation")
    if not isinstance(error, errors.BadParameter) or operation is None:
        return said
    return f"{said} {operation.expected(error.details['parameter'])}"


def _particulars(error: errors.LedgerError) -> dict[str, Any]:
    """Return what this error tells besides its kind: names of fields and rules, no values."""
    told: dict[str, Any] = {
        name: error.details[name] for name in ("parameter", "scope", "limit_bytes") if name in error.details
    }
    if "members" in error.details:
        told["errors"] = [{"pointer": f"#/{name}", "detail": rule} for name, rule in error.details["members"].items()]
    if "dropped" in error.details:
        drops = error.details["dropped"]
        told["dropped_fields"] = list(dict.fromkeys(drop.field for drop in drops))
        told["dropped"] = [{"field": drop.field, "reason": drop.reason} for drop in drops]
        told["errors"] = [
            {"pointer": f"#/{drop.field.replace('.', '/')}", "detail": Reason[drop.reason.upper()].explanation}
            for drop in drops
        ]
    return told


def in_a_line(error: errors.LedgerError, request_id: str) -> dict[str, Any]:
    """Return the problem as one line of many, where the answer as a whole is fine."""
    problem = problem_of(type(error))
    if problem is None:
        return details(BUG, BUG_DETAIL, request_id)
    return details(problem, type(error).__doc__ or "", request_id, **_particulars(error))


def details(problem: Problem, detail: str, request_id: str, **particulars: Any) -> dict[str, Any]:
    """Return the problem details of RFC 9457."""
    return {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status.value,
        "detail": detail,
        "request_id": request_id,
        **particulars,
    }


def answer_http_error(req: Request, resp: Response, error: falcon.HTTPError, _params: object) -> None:
    """Answer what the framework refuses (no such route, method not allowed, …)."""
    for name, value in dict(error.headers or {}).items():
        resp.set_header(name, value)
    problem = REFUSED_BY_FRAMEWORK.get(error.status_code, REFUSED_BY_FRAMEWORK[400])
    _answer(req, resp, problem, problem.status.description)


def log_bug(error: Exception, request_id: str) -> None:
    """Tell kind and place of a wrong program, no values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
    log.error("bug", error=type(error).__name__, place=place, request_id=request_id)


def answer_bug(req: Request, resp: Response, error: Exception, _params: object) -> None:
    """Answer a wrong program: say nothing of it outside."""
    log_bug(error, str(req.context.get("request_id", "")))
    _answer(req, resp, BUG, BUG_DETAIL)


def _answer(req: Request, resp: Response, problem: Problem, detail: str, **particulars: Any) -> None:
    resp.status = problem.status
    resp.content_type = MEDIA_PROBLEM_JSON
    resp.data = orjson.dumps(details(problem, detail, str(req.context.get("request_id", "")), **particulars))
    if problem.retry_after is not None:
        resp.set_header("Retry-After", str(problem.retry_after))
