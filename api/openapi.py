"""What does the service promise, in OpenAPI 3.1? Assembled from the routes and the models; nothing is written twice.

`./scripts/openapi` renews `openapi.json` beside this file, which is what the service hands out.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from inspect import getdoc
from pathlib import Path
from typing import Any

import orjson
from falcon import MEDIA_JSON
from pydantic.json_schema import models_json_schema

from api.answers import ProblemDetails
from api.keys import NotAllowed, NotAuthenticated
from api.limits import NoRoomForBodies, RateExceeded, TooManySlowBodies, TooManyWrongKeys
from api.operations import Operation, Parameter, Resource
from api.problems import MEDIA_PROBLEM_JSON, PROBLEMS, Problem, problem_of
from api.routes import ROUTES
from domain.errors import BadParameter, LedgerError, LedgerUnavailable, OutcomeUnknown, WriteConflict
from domain.group_commit import TooManyWaiting

FILE = Path(__file__).parent / "openapi.json"
VERSION = "1.0.0"
"""Of the contract: a new member is a new minor version, anything a client must adapt to a new major one."""

SUMMARY = """\
Partners send what they know of a patient; the ledger finds out whose record it is, keeps every change as an event,
and answers with the patient. Errors are problem details (RFC 9457) that name fields and rules, never values.
Answers may gain members; ignore those you do not know."""

ANYWHERE = (LedgerUnavailable,)
WITH_KEY = (NotAuthenticated, NotAllowed, RateExceeded, TooManyWrongKeys, BadParameter)
WRITING = (TooManySlowBodies, NoRoomForBodies, TooManyWaiting, WriteConflict, OutcomeUnknown)

HEADERS: dict[str, Any] = {
    "X-Request-Id": {"description": "Names the request; an id that was sent is kept.", "schema": {"type": "string"}},
    "ETag": {"description": "Send it as If-None-Match next time.", "schema": {"type": "string"}},
    "Content-Location": {
        "description": "Where the answer is at home: the patient was merged into another one.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": 'What the key may ask: `"key";q=2000;w=2` is 2000 requests within 2 seconds.',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": 'What is left of it: `"key";r=1999;t=2` is 1999 requests, all of them again in 2 seconds.',
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"description": "In which header a key is expected.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds until it makes sense to try again.", "schema": {"type": "integer"}},
    "Deprecation": {
        "description": "Since when the operation is going to go (RFC 9745).",
        "schema": {"type": "string"},
    },
    "Sunset": {"description": "When it goes (RFC 8594).", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true`: an earlier answer to the same Idempotency-Key, given again.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}

IF_NONE_MATCH = Parameter("If-None-Match", "ETag of what you hold already.", {"type": "string"}, place="header")
REQUEST_ID = Parameter(
    "X-Request-Id",
    "Your own name for this request (letters, digits, `._-`, at most 100); every event of it tells it.",
    {"type": "string"},
    place="header",
)


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    operations = [each for resource in ROUTES.values() for each in resource.operations.values()]
    taken = {each.body for each in operations if each.body is not None}
    asides = {model for each in operations for model in (each.unready, each.refused_line) if model is not None}
    given = {each.answer for each in operations} | asides | {ProblemDetails}
    names, definitions = models_json_schema(
        [
            *((model, "validation") for model in sorted(taken, key=lambda model: model.__name__)),
            *((model, "serialization") for model in sorted(given, key=lambda model: model.__name__)),
        ],
        ref_template="#/components/schemas/{model}",
    )
    schemas = {model: schema for (model, _mode), schema in names.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Patient ledger",
            "version": VERSION,
            "description": SUMMARY,
            "license": {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "patients", "description": "Send records, read patients and their history."},
            {"name": "duplicates", "description": "Say of two patients who may be one person what they are."},
            {"name": "events", "description": "What changed, for systems of your own."},
            {"name": "operations", "description": "For those who run the service."},
        ],
        "paths": {
            path: {
                method.lower(): _operation(path, method, resource, operation, schemas)
                for method, operation in resource.operations.items()
            }
            for path, resource in ROUTES.items()
        },
        "components": {
            "securitySchemes": {
                "apiKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": "`pl_live_…`, as the clinic issued it.",
                }
            },
            "headers": HEADERS,
            "schemas": {name: _open(schema) for name, schema in sorted(definitions["$defs"].items())},
        },
    }


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without the ban on further members: answers may gain some."""
    return {name: value for name, value in schema.items() if (name, value) != ("additionalProperties", False)}


def _operation(
    path: str, method: str, resource: type[Resource], operation: Operation, schemas: dict[Any, Any]
) -> dict[str, Any]:
    scope = resource.scopes.get(method)
    parameters = [*operation.parameters, *([IF_NONE_MATCH] if operation.has_etag else []), REQUEST_ID]
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [_tag(path)],
        "summary": (getdoc(getattr(resource, f"on_{method.lower()}")) or "").split("\n")[0].removesuffix("."),
        "description": getdoc(resource),
        "parameters": [*_in_path(path), *map(_parameter, parameters)],
        "responses": _responses(path, operation, scope, schemas, writes=method == "POST"),
        "security": [] if scope is None else [{"apiKey": []}],
    }
    if scope is not None:
        described["description"] += f"\n\nThe key needs the scope `{scope}`."
    if operation.retirement is not None:
        described["deprecated"] = True
    if operation.body is not None:
        content: dict[str, Any] = {"schema": schemas[operation.body]}
        if operation.example is not None:
            content["example"] = operation.example
        described["requestBody"] = {"required": True, "content": {operation.media: content}}
    return described


def _tag(path: str) -> str:
    return path.split("/")[2] if path.startswith("/v1/") else "operations"


def _in_path(path: str) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }
    return described if parameter.example is None else {**described, "example": parameter.example}


def _responses(
    path: str, operation: Operation, scope: str | None, schemas: dict[Any, Any], *, writes: bool
) -> dict[str, Any]:
    headers = ["X-Request-Id", *(["ETag"] if operation.has_etag else [])]
    if "{patient_id}" in path and operation.has_etag:
        headers.append("Content-Location")
    if scope is not None:
        headers += ["RateLimit-Policy", "RateLimit"]
    if operation.retirement is not None:
        headers += ["Deprecation", "Sunset"]
    if operation.media == MEDIA_JSON and any(each.name == "Idempotency-Key" for each in operation.parameters):
        headers.append("Idempotent-Replayed")
    fine: dict[str, Any] = {
        "description": (getdoc(operation.answer) or "").split("\n")[0],
        "headers": _headers(headers),
        "content": {operation.media: {"schema": schemas[operation.answer]}},
    }
    if operation.refused_line is not None:
        either = [schemas[operation.answer], schemas[operation.refused_line]]
        fine["content"] = {operation.media: {"schema": {"anyOf": either}}}
    responses = {"200": fine}
    if operation.has_etag:
        responses["304"] = {"description": "You hold the current one.", "headers": _headers(headers)}
    refusals: tuple[type[LedgerError], ...] = operation.refusals
    if scope is not None:
        refusals = (*refusals, *WITH_KEY, *ANYWHERE, *(WRITING if writes else ()))
    by_status: dict[int, list[tuple[Problem, str]]] = defaultdict(list)
    for error in sorted(refusals, key=[*PROBLEMS].index):
        problem = problem_of(error)
        assert problem is not None
        by_status[problem.status.value].append((problem, error.__doc__ or ""))
    if operation.unready is not None:
        content = {"application/json": {"schema": schemas[operation.unready]}}
        responses["503"] = {**fine, "description": "Not now.", "content": content}
    return {**responses, **{str(status): _refusal(status, by_status[status], schemas) for status in sorted(by_status)}}


def _refusal(status: int, problems: list[tuple[Problem, str]], schemas: dict[Any, Any]) -> dict[str, Any]:
    waits = any(problem.retry_after is not None for problem, _ in problems)
    headers = ["X-Request-Id", *(["Retry-After"] if waits else [])]
    headers += ["WWW-Authenticate"] if status == HTTPStatus.UNAUTHORIZED else ["RateLimit-Policy", "RateLimit"]
    return {
        "description": " · ".join(dict.fromkeys(problem.title for problem, _ in problems)),
        "headers": _headers(headers),
        "content": {
            MEDIA_PROBLEM_JSON: {
                "schema": schemas[ProblemDetails],
                "examples": {problem.slug: {"value": _example(problem, detail)} for problem, detail in problems},
            }
        },
    }


def _example(problem: Problem, detail: str) -> dict[str, Any]:
    return {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status.value,
        "detail": detail,
        "request_id": "req_0f8fad5bd9cb469fa16570867728950e",
    }


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def text() -> bytes:
    """Return the document as it is committed."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
