"""Which routes are there? The table that registers them and that the OpenAPI document is assembled from.

A resource is made of the ledger and the settings. What stands here is public and described; the panel's pages are not.
"""

from collections.abc import Mapping

from api.operations import Resource
from api.resources.communications import Communications
from api.resources.duplicates import DuplicateById, Duplicates, ResolveDuplicate
from api.resources.events import Events
from api.resources.find_patients import FindPatients
from api.resources.health import Live, Ready
from api.resources.history import History
from api.resources.patients import PatientById
from api.resources.upsert import UpsertPatient
from api.resources.upsert_batch import UpsertBatch

ROUTES: Mapping[str, type[Resource]] = {
    "/v1/patients/upsert": UpsertPatient,
    "/v1/patients/upsert-batch": UpsertBatch,
    "/v1/patients": FindPatients,
    "/v1/patients/{patient_id}": PatientById,
    "/v1/patients/{patient_id}/history": History,
    "/v1/patients/{patient_id}/communications": Communications,
    "/v1/duplicates": Duplicates,
    "/v1/duplicates/{duplicate_id}": DuplicateById,
    "/v1/duplicates/{duplicate_id}/resolve": ResolveDuplicate,
    "/v1/events": Events,
    "/livez": Live,
    "/readyz": Ready,
}
"""Path → resource."""
