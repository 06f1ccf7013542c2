"""What comes back about possible duplicates? See `answers`."""

from typing import Literal

from pydantic import Field

from api.answers import Answer, Id, Moment, Patient, Text

State = Literal["open", "merged", "distinct"]


class PairExternalId(Answer):
    """An id of the patient in another system."""

    type_id: Id
    value: str


class PairPatient(Answer):
    """A patient of a pair, as far as it tells who somebody is."""

    id: Id
    merged_into: Text = Field(description="The patient that this one lives on in; what stands here is as it was then.")
    version: int
    created_at: Moment
    first_name: Text
    middle_name: Text
    last_name: Text
    date_of_birth: Text
    gender: Text
    phone_number: Text
    additional_phone_number: Text
    email: Text
    first_communication_at: Text
    external_ids: list[PairExternalId]


class PossibleDuplicate(Answer):
    """Two patients who may be one person; or one patient whose record may hold two people."""

    id: Id
    state: State
    reason: str = Field(examples=["twins"])
    evidence: dict[str, str] = Field(examples=[{"date_of_birth": "equal", "phone": "equal"}])
    flagged_at: Moment
    patients: list[PairPatient]


class DuplicatePage(Answer):
    """A part of the queue, the oldest flag first."""

    items: list[PossibleDuplicate]
    next: Text = Field(description="Send it as `after` for the next page; null on the last one.")


class Resolved(Answer):
    """The pair after it was resolved, and the patient that goes on (one of the two where both do)."""

    duplicate: PossibleDuplicate
    patient: Patient
