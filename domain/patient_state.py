"""What is known of a patient? The state that the events of its stream leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.golden_record import absorbed_ids
from domain.stored_state import made, put, sparse


@sparse
@dataclass(frozen=True)
class Patient:
    """The fold of a patient's stream: JSON-native values only, stored as it is in the read model.

    possible_duplicates: other patient → `reason`, `evidence`, `flagged_at`. suspected_overlay: the same of the last
    one, and `offered`, `other_id`, `dismissed`. Where others are merged into this patient, facts and all that is like
    them are the golden record; `own`, `absorbed` and `chosen_external_ids` are what it is worked out from (see
    `golden_record`). A patient that is `merged_into` another one is as it was at that moment. Of one that was `erased`
    (`order`, `at`) nothing else is left.

    `identities` is no part of the state: as whom the patient is known, once that was worked out (see `known_as`).
    """

    __slots__ = ("__dict__", "identities")

    id: str
    organization_id: str
    created_at: str
    updated_at: str
    source: str
    version: int = 1
    facts: Mapping[str, str] = field(default_factory=dict)
    created_name: tuple[str | None, str | None] = (None, None)
    former_last_names: tuple[str, ...] = ()
    external_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    referrals: tuple[Mapping[str, Any], ...] = ()
    payors: tuple[Mapping[str, Any], ...] = ()
    first_communication_at: str | None = None
    refused_phone: str | None = None
    told_drops: tuple[tuple[str, str, str | None], ...] = ()
    possible_duplicates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    distinct_from: tuple[str, ...] = ()
    suspected_overlay: Mapping[str, Any] | None = None
    merged_into: str | None = None
    own: Mapping[str, Any] | None = None
    absorbed: tuple[Mapping[str, Any], ...] = ()
    chosen_external_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    erased: Mapping[str, str] | None = None

    @property
    def phone(self) -> str | None:
        """Return the phone number (E.164), if any."""
        return self.facts.get("phone_number")

    @property
    def phone_locked(self) -> bool:
        """Return whether the phone number may no longer be overwritten."""
        return self.first_communication_at is not None

    @property
    def communicated_at(self) -> str | None:
        """Return when this patient's own stream tells of a first communication, merged ones aside."""
        own = self.first_communication_at if self.own is None else self.own["first_communication_at"]
        return None if own is None else str(own)

    @property
    def unresolved_overlay(self) -> bool:
        """Return whether a record with the patient's external id described somebody else, and nobody has looked."""
        overlay = self.suspected_overlay
        if overlay is None or overlay["dismissed"]:
            return False
        return overlay["other_id"] is None or overlay["other_id"] in self.unresolved_duplicates

    @property
    def unresolved_duplicates(self) -> tuple[str, ...]:
        """Return the patients that may be the same person and that nobody has looked at yet."""
        done = {*self.distinct_from, *absorbed_ids(self.absorbed), self.merged_into}
        return tuple(other for other in self.possible_duplicates if other not in done)

    def external_id(self, type_id: str) -> str | None:
        """Return the current external id of this type."""
        held = self.external_ids.get(type_id)
        return None if held is None else held["value"]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Patient":
        """Return the state whose stored form (a JSON object) this is."""
        return made(cls, dict(stored))

    def changed(self, **changes: Any) -> "Patient":
        """Return a copy with these fields changed."""
        return made(Patient, put({**vars(self)}, changes))
