"""`POST /v1/patients/{id}/communications`: the clinic and the patient spoke or wrote."""

import re
from typing import ClassVar, Literal

import orjson
from falcon import MEDIA_JSON, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NaiveDatetime, field_validator

from api import parameters
from api.answers import Communicated
from api.bodies import UNREADABLE, UnusableMember, read_model
from api.operations import Operation, Resource
from domain.commands import RecordCommunication
from domain.entry import instant
from domain.errors import UnknownPatient
from projections.resource import patient_resource

_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Communication(BaseModel):
    """What happened between the clinic and the patient."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    channel: Literal["sms", "call", "email", "fax", "chat", "letter", "in_person"]
    direction: Literal["inbound", "outbound"]
    occurred_at: AwareDatetime | NaiveDatetime = Field(
        description="ISO 8601 with hyphens; without a zone it is UTC. Not in the future.",
        examples=["2026-01-05T15:30:00Z"],
    )

    @field_validator("occurred_at", mode="before")
    @classmethod
    def _is_written_out(cls, value: object) -> object:
        """Refuse a number, as text too: 20260105 would be taken for seconds since 1970, and cannot be corrected."""
        if not isinstance(value, str) or not _DAY.match(value):
            raise ValueError("not written out")
        return value


class Communications(Resource):
    """The first communication locks the phone number; later ones change nothing."""

    scopes: ClassVar = {"POST": "patients:write"}
    operations: ClassVar = {
        "POST": Operation(
            id="recordCommunication",
            body=Communication,
            answer=Communicated,
            refusals=(*UNREADABLE, UnusableMember, UnknownPatient),
        )
    }

    def on_post(self, req: Request, resp: Response, patient_id: str) -> None:
        """Tell of a communication with the patient."""
        told = read_model(req, self._settings.max_body_bytes, Communication)
        occurred_at = parameters.in_the_past(told.occurred_at, "occurred_at")
        command = RecordCommunication(channel=told.channel, direction=told.direction, occurred_at=instant(occurred_at))
        caller = parameters.caller(req)
        patient = self._ledger.change(parameters.patient_id(patient_id), command, caller)
        organization = self._ledger.current_organization(caller.organization_id)
        req.context.shown_patients = [patient.id]
        resp.content_type = MEDIA_JSON
        resp.data = orjson.dumps({"patient": patient_resource(patient, organization)})
