"""`/v1/duplicates`: which patients may be one person, and what do people say of them?"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import orjson
from falcon import MEDIA_JSON, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import parameters
from api.bodies import UNREADABLE, UnusableMember, read_model
from api.duplicate_answers import DuplicatePage, PossibleDuplicate, Resolved
from api.operations import Operation, Resource, text
from domain.child_ids import pair_id
from domain.entry import instant
from domain.errors import BadParameter, UnknownPatient
from domain.golden_record import IDENTITY
from domain.ledger import Ledger
from domain.merge import MergedElsewhere, NotMerged, SamePatient
from domain.patient import Patient
from domain.review import NotOfThePair, OnePatient, Resolution, Review, Reviewed, UnknownDuplicate
from projections import duplicates
from projections.duplicates import STATES, Pair
from projections.resource import patient_resource

PARAMETERS = (
    text("state", "What was said of them.", enum=STATES, default="open"),
    text("patient_id", "Only pairs of this patient.", format="uuid"),
    text("after", "Cursor: `next` of the page before."),
    parameters.LIMIT,
)


class Report(BaseModel):
    """Two patients who are taken for one person."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    patient_ids: tuple[UUID, UUID] = Field(description="The ids of the two patients.")


class Resolve(BaseModel):
    """What somebody who looked says of a pair."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    resolution: Resolution = Field(
        description="`merge`: one person. `distinct`: two people, never flagged again. `unmerge`: two people after all."
    )
    survivor_id: UUID | None = Field(None, description="Of a merge, who goes on; by default the older of the two.")


class Duplicates(Resource):
    """The queue of possible duplicates: pairs that the ledger flagged, and those that somebody reported."""

    scopes: ClassVar = {"GET": "duplicates:review", "POST": "duplicates:review"}
    operations: ClassVar = {
        "GET": Operation(
            id="listDuplicates",
            answer=DuplicatePage,
            parameters=PARAMETERS,
            refusals=(UnknownPatient,),
            has_etag=True,
        ),
        "POST": Operation(
            id="reportDuplicate",
            answer=PossibleDuplicate,
            body=Report,
            refusals=(*UNREADABLE, UnusableMember, UnknownPatient, SamePatient),
        ),
    }

    def on_get(self, req: Request, resp: Response) -> None:
        """List possible duplicates, the oldest flag first."""
        organization_id = req.context.principal.organization_id
        asked = req.get_param("patient_id")
        limit = parameters.limit(req)
        with self._ledger.recorder.reading(organization_id) as cursor:
            pairs = duplicates.queue(
                cursor,
                organization_id,
                parameters.choice(req, "state", STATES) or "open",
                patient_id=None if asked is None else parameters.patient_id(asked),
                after=_cursor(req.get_param("after")),
                limit=limit + 1,
            )
            page = pairs[:limit]
            held = duplicates.patients_of(cursor, organization_id, page)
        following = f"{instant(page[-1].flagged_at)}_{page[-1].id}" if len(pairs) > limit else None
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps({"items": [_item(pair, held) for pair in page], "next": following})
        req.context.shown_patients = [*held]

    def on_post(self, req: Request, resp: Response) -> None:
        """Report two patients as one person; the pair is then in the queue."""
        told = read_model(req, self._settings.max_body_bytes, Report)
        caller = parameters.caller(req)
        one, other = (str(each) for each in told.patient_ids)
        reported = Review(self._ledger).report(one, other, caller)
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps(_reviewed(self._ledger, req, reported, [_id_of(reported)]))


class DuplicateById(Resource):
    """One pair."""

    scopes: ClassVar = {"GET": "duplicates:review"}
    operations: ClassVar = {
        "GET": Operation(id="getDuplicate", answer=PossibleDuplicate, refusals=(UnknownDuplicate,), has_etag=True),
    }

    def on_get(self, req: Request, resp: Response, duplicate_id: str) -> None:
        """Get one pair."""
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps(_read(self._ledger, req, duplicate_id))


class ResolveDuplicate(Resource):
    """What somebody who looked says of a pair is carried out."""

    scopes: ClassVar = {"POST": "duplicates:review"}
    operations: ClassVar = {
        "POST": Operation(
            id="resolveDuplicate",
            answer=Resolved,
            body=Resolve,
            refusals=(
                *UNREADABLE,
                UnusableMember,
                UnknownDuplicate,
                OnePatient,
                NotOfThePair,
                SamePatient,
                MergedElsewhere,
                UnknownPatient,
                NotMerged,
            ),
        )
    }

    def on_post(self, req: Request, resp: Response, duplicate_id: str) -> None:
        """Resolve a pair: `merge`, `distinct` or `unmerge`."""
        told = read_model(req, self._settings.max_body_bytes, Resolve)
        caller = parameters.caller(req)
        review = Review(self._ledger)
        ids = _pair(self._ledger, caller.organization_id, duplicate_id).patient_ids
        survivor_id = None if told.survivor_id is None else str(told.survivor_id)
        shown = [duplicate_id]
        if len(ids) == 2:
            reviewed = review.resolve(*ids, told.resolution, caller, survivor_id)
            if len(reviewed) == 2:  # those they live on in: that is whom a merge is about
                shown.insert(0 if told.resolution is Resolution.MERGE else 1, _id_of(reviewed))
        elif told.resolution is Resolution.DISTINCT:
            reviewed = review.dismiss_overlay(ids[0], caller)
        else:
            raise OnePatient
        organization = self._ledger.current_organization(caller.organization_id)
        answer = {
            "duplicate": _reviewed(self._ledger, req, reviewed, shown),
            "patient": patient_resource(reviewed[0], organization),
        }
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps(answer)


def _id_of(reviewed: Reviewed) -> str:
    return pair_id(*(each.id for each in reviewed))


def _cursor(sent: str | None) -> tuple[datetime, UUID]:
    if sent is None:
        return duplicates.BEGINNING
    at, _, last_id = sent.partition("_")
    try:
        return parameters.moment(at, "after"), UUID(last_id)
    except ValueError:
        raise BadParameter(parameter="after") from None


def _pair(ledger: Ledger, organization_id: str, duplicate_id: str) -> Pair:
    try:
        canonical = str(UUID(duplicate_id))
    except ValueError:
        raise UnknownDuplicate from None
    with ledger.recorder.reading(organization_id) as cursor:
        found = duplicates.get(cursor, organization_id, canonical)
    if found is None:
        raise UnknownDuplicate
    return found


def _read(ledger: Ledger, req: Request, duplicate_id: str) -> dict[str, Any]:
    return _shown(ledger, req, _pair(ledger, req.context.principal.organization_id, duplicate_id))


def _reviewed(ledger: Ledger, req: Request, reviewed: Reviewed, ids: Sequence[str]) -> dict[str, Any]:
    """Return the first of these pairs that there is, as the decision left it: the next one may have taken it away."""
    left = (duplicates.pair_of(reviewed, str(UUID(each))) for each in ids)
    pair = next(filter(None, left), None)
    return _read(ledger, req, ids[0]) if pair is None else _shown(ledger, req, pair)


def _shown(ledger: Ledger, req: Request, pair: Pair) -> dict[str, Any]:
    organization_id = req.context.principal.organization_id
    with ledger.recorder.reading(organization_id) as cursor:
        held = duplicates.patients_of(cursor, organization_id, [pair])
    req.context.shown_patients = [*held]
    return _item(pair, held)


def _item(pair: Pair, held: dict[str, Patient]) -> dict[str, Any]:
    return {
        "id": pair.id,
        "state": pair.state,
        "reason": pair.reason,
        "evidence": pair.evidence,
        "flagged_at": instant(pair.flagged_at),
        "patients": [_patient(held[each]) for each in pair.patient_ids if each in held],
    }


def _patient(patient: Patient) -> dict[str, Any]:
    return {
        "id": patient.id,
        "merged_into": patient.merged_into,
        "version": patient.version,
        "created_at": patient.created_at,
        **{name: patient.facts.get(name) for name in IDENTITY},
        "first_communication_at": patient.first_communication_at,
        "external_ids": [{"type_id": kind, "value": held["value"]} for kind, held in patient.external_ids.items()],
    }
