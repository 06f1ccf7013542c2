"""Where does one record land? On the patient it is found to be, or on a new one; and what does it change there?

Pure: `prepare` is all that can be done before the transaction, `place` works on the patients that it looked up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.candidates import CandidateIndex
from domain.dropped import Dropped
from domain.entry import Envelope
from domain.errors import TooLittleToIdentify
from domain.evidence import Identity
from domain.idempotency import RequestKey
from domain.matching import Match, classify, match_keys
from domain.normalise import Clean, normalise, satisfies_invariant
from domain.organization import Organization
from domain.patient import Patient
from domain.receipt import Caller, Receipt, Upsert
from domain.upsert import identity_of_record, interpret, rules_of


@dataclass(frozen=True)
class Prepared:
    """A record, read for its organization."""

    caller: Caller
    organization: Organization
    clean: Clean
    dropped: tuple[Dropped, ...]
    identity: Identity
    keys: tuple[tuple[str, str], ...]
    request: RequestKey | None

    @property
    def source(self) -> str:
        """Return where the record comes from: its own word for it, or else its caller's."""
        return self.clean.source or self.caller.source


def prepare(upsert: Upsert, organization: Organization, today: date) -> Prepared:
    """Read a record for its organization. today: for two-digit years."""
    clean, dropped = normalise(upsert.record, organization=organization, today=today, received=upsert.received)
    identity = identity_of_record(clean)
    keys = tuple((kind, key) for kind, key in match_keys(identity))
    return Prepared(upsert.caller, organization, clean, dropped, identity, keys, upsert.request)


def place(
    prepared: Prepared, index: CandidateIndex, new_id: Callable[[], UUID], at: str
) -> Receipt | TooLittleToIdentify:
    """Find or create the record's patient and decide; the index is kept current.

    new_id: makes the id of a new patient. at: the instant of the new events, or what stands for it until the append.
    """
    organization = prepared.organization
    rules = rules_of(organization)
    candidates, crowded = index.candidates(organization.id, prepared.identity, prepared.keys, rules)
    outcome = classify(prepared.identity, candidates, rules, crowded)
    by_external_id = isinstance(outcome, Match) and outcome.tier == "external_id"
    if not by_external_id and not satisfies_invariant(prepared.clean):
        return TooLittleToIdentify(dropped=prepared.dropped)
    patient = index.patient(outcome.id) if isinstance(outcome, Match) else None
    stream_id = patient.id if patient is not None else str(new_id())
    envelope = Envelope(organization.id, stream_id, at, prepared.source)
    meant = interpret(prepared.clean, prepared.dropped, outcome, patient, organization, envelope)
    if meant.events:
        index.put(meant.patient)
    return Receipt(
        decided=meant.patient,
        organization=organization,
        outcome=outcome,
        dropped=meant.dropped,
        request_id=prepared.caller.request_id,
        events=meant.events,
        request=prepared.request,
        tells_more=patient is not None and _tells_more(meant.patient, prepared.clean),
    )


def _tells_more(patient: Patient, clean: Clean) -> bool:
    """Return whether somebody who knows the record can learn from the patient. Payors and referrals count as news."""
    return not (
        patient.facts.items() <= clean.facts.items()
        and patient.custom_fields.items() <= clean.custom_fields.items()
        and {*patient.tags} <= {*(clean.tags or ())}
        and patient.external_ids.keys() <= {None if clean.external_id is None else clean.external_id[0]}
        and not (patient.payors or patient.referrals or patient.first_communication_at)
    )
