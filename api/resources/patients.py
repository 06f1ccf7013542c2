"""`GET /v1/patients/{id}`: what is true of this patient, now or as of a moment?"""

from typing import ClassVar

import orjson
from falcon import MEDIA_JSON, Request, Response

from api import parameters
from api.answers import Patient as PatientAnswer
from api.operations import Operation, Resource, text
from domain.errors import BadParameter, UnknownPatient
from domain.patient import Patient
from projections import patients
from projections.resource import patient_resource


class PatientById(Resource):
    """One patient; the ETag is its version.

    For a patient that was merged into another one that one is answered, its path in `Content-Location`. A version in
    `as_of` is always one of the patient that was asked for.
    """

    scopes: ClassVar = {"GET": "patients:read"}
    operations: ClassVar = {
        "GET": Operation(
            id="getPatient",
            answer=PatientAnswer,
            parameters=(
                text(
                    "as_of", "A version that the patient has, or an instant such as 2026-01-05T15:30:00Z.", example="3"
                ),
            ),
            refusals=(UnknownPatient,),
            has_etag=True,
        )
    }

    def on_get(self, req: Request, resp: Response, patient_id: str) -> None:
        """Get one patient, now or as of a moment."""
        organization_id = req.context.principal.organization_id
        patient = self._patient(organization_id, parameters.patient_id(patient_id), req.get_param("as_of"))
        if patient.id == parameters.patient_id(patient_id):
            resp.set_header("ETag", f'"{patient.version}"')
        else:  # its version is not one of the patient that was asked for; the ETag is made of the content
            resp.set_header("Content-Location", f"/v1/patients/{patient.id}")
        resp.content_type = MEDIA_JSON
        resource = patient_resource(patient, self._ledger.current_organization(organization_id))
        resp.data = orjson.dumps(resource)
        req.context.shown_patients = [patient.id]

    def _patient(self, organization_id: str, patient_id: str, as_of: str | None) -> Patient:
        with self._ledger.recorder.reading(organization_id) as cursor:
            found = patients.survivor(cursor, organization_id, patient_id)
        if found is None:  # of one that was erased, nothing was ever there
            raise UnknownPatient
        if as_of is None:
            return found
        if as_of.isdecimal() and len(as_of) < 18:
            then = self._ledger.patient_as_of(organization_id, patient_id, version=int(as_of))
            if then.version != int(as_of):
                raise BadParameter(parameter="as_of")  # a day without its hyphens would be answered with today
            return then
        at = parameters.moment(as_of, "as_of")
        then = self._ledger.patient_as_of(organization_id, patient_id, at=at)
        while then.merged_into is not None:
            then = self._ledger.patient_as_of(organization_id, then.merged_into, at=at)
        return then
