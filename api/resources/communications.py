"""`POST /v1/patients/{id}/communications`: the clinic and the patient spoke or wrote."""

from typing import ClassVar

import orjson
from falcon import MEDIA_JSON, Request, Response

from api import parameters
from api.bodies import parse_object, read_bytes
from domain.commands import RecordCommunication
from domain.entry import instant
from domain.errors import BadParameter
from domain.ledger import Ledger
from projections.resource import patient_resource

CHANNELS = ("sms", "call", "email", "fax", "chat", "letter", "in_person")
DIRECTIONS = ("inbound", "outbound")


class Communications:
    """The first communication locks the phone number; later ones change nothing."""

    scopes: ClassVar[dict[str, str]] = {"POST": "patients:write"}

    def __init__(self, ledger: Ledger, max_body_bytes: int) -> None:
        self._ledger = ledger
        self._max_body_bytes = max_body_bytes

    def on_post(self, req: Request, resp: Response, patient_id: str) -> None:
        """Tell of a communication: `{"channel", "direction", "occurred_at"}`; answers the patient."""
        body = parse_object(read_bytes(req, self._max_body_bytes))
        for name, choices in (("channel", CHANNELS), ("direction", DIRECTIONS)):
            if body.get(name) not in choices:
                raise BadParameter(parameter=name)
        if not isinstance(body.get("occurred_at"), str):
            raise BadParameter(parameter="occurred_at")
        command = RecordCommunication(
            channel=body["channel"],
            direction=body["direction"],
            occurred_at=instant(parameters.moment(body["occurred_at"], "occurred_at")),
        )
        caller = parameters.caller(req)
        patient = self._ledger.record_communication(parameters.patient_id(patient_id), command, caller)
        resp.content_type = MEDIA_JSON
        organization = self._ledger.organization(caller.organization_id)
        resp.data = orjson.dumps({"patient": patient_resource(patient, organization)})
