"""What does every page of a patient need? The patient, the clinic's names and zone, and what this person may see.

Opening a chart is a look, and is recorded before anything is shown: what cannot be recorded is not shown.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from falcon import Request

from api import parameters
from api.panel.door import looker
from api.panel.verified import Verified, last_verified
from domain import patient as patients
from domain.entry import Entry
from domain.errors import UnknownPatient
from domain.events import FirstCommunicationRecorded
from domain.ledger import Ledger
from domain.organization import Organization
from domain.patient import Patient
from projections import access_log
from projections import patients as patients_table
from projections.history import Told, tell_entry
from projections.history_query import first_communication
from projections.wording import Display


@dataclass(frozen=True)
class Chart:
    """A patient, opened by somebody. `patient` is `None` once erased; `version`, `position` are the last entry's."""

    id: str
    patient: Patient | None
    version: int
    position: int
    began_at: datetime
    organization: Organization
    display: Display
    may_reveal: bool
    lock: FirstCommunicationRecorded | None
    last_verified: Verified | None
    now: datetime

    @property
    def url(self) -> str:
        """Return the path of the patient's page."""
        return f"/panel/patients/{self.id}"

    @property
    def name(self) -> str:
        """Return the patient's name as this person may see it."""
        return "Erased patient" if self.patient is None else shown_name(self.patient, self.display)

    @property
    def born(self) -> str:
        """Return the date of birth as this person may see it; empty when unknown."""
        born = None if self.patient is None else self.patient.facts.get("date_of_birth")
        return self.display.value("date_of_birth", born) if born else ""

    @property
    def verified(self) -> str:
        """Return when the ledger was last verified, in words, and whether the patient has changed since."""
        if self.last_verified is None:
            return "not verified yet"
        since = "" if self.position <= self.last_verified.position else ", the latest not yet"
        return f"verified {ago(self.now - self.last_verified.at)}{since}"

    def tell(self, entry: Entry) -> Told:
        """Return what the History shows of an entry."""
        return tell_entry(entry, self.organization, self.lock)


def open_chart(ledger: Ledger, req: Request, patient_id: str, what: str) -> Chart:
    """Return the chart and record that `what` was looked at. UnknownPatient when the clinic has no such patient."""
    member = req.context.staff
    clinic, stream = member.organization_id, parameters.patient_id(patient_id)
    if stream == clinic:
        raise UnknownPatient
    with ledger.recorder.reading(clinic) as cursor:
        patient = patients_table.get(cursor, clinic, stream)
        ends = [
            row
            for newest_first in (True, False)
            for row in ledger.recorder.select_stream(cursor, clinic, stream, limit=1, newest_first=newest_first)
        ]
        if not ends:
            raise UnknownPatient
        last, first = ends
        revealed = member.may("phi:read") or access_log.is_revealed(cursor, clinic, stream, member.actor)
        lock = first_communication(cursor, clinic, stream)
        verified = last_verified(cursor)
        access_log.record(cursor, looker(req), "view", [stream], what=what, masked=not revealed)
    assert first.recorded_at is not None
    return Chart(
        id=stream,
        patient=patient,
        version=last.originator_version,
        position=last.position,
        began_at=first.recorded_at,
        organization=req.context.clinic,
        display=Display(zone(req.context.clinic.time_zone), masked=not revealed),
        may_reveal=not revealed and member.may("phi:reveal"),
        lock=lock,
        last_verified=verified,
        now=datetime.now(UTC),
    )


def state_as_of(ledger: Ledger, chart: Chart, moment: int | datetime | None) -> Patient | None:
    """Return the patient after a version, at an instant, or now. UnknownPatient before the patient was there."""
    if moment is None or chart.patient is None:
        return chart.patient
    if isinstance(moment, int):
        return ledger.patient_as_of(chart.organization.id, chart.id, version=moment)
    return ledger.patient_as_of(chart.organization.id, chart.id, at=moment)


def fold(entries: list[Entry]) -> Patient | None:
    """Return the state that these entries leave."""
    return patients.fold((entry.event, entry.envelope()) for entry in entries)


def shown_name(patient: Patient, display: Display) -> str:
    """Return a patient's name."""
    name = " ".join(patient.facts[part] for part in ("first_name", "middle_name", "last_name") if part in patient.facts)
    return display.value("full_name", name) if name else "No name on file"


def ago(since: timedelta) -> str:
    """Return how long ago in words: "12 s ago", "3 days ago"."""
    seconds = max(int(since.total_seconds()), 0)
    for size, unit in ((86_400 * 365, "year"), (86_400 * 30, "month"), (86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return f"{seconds} s ago"


@cache
def zone(name: str) -> tzinfo:
    """Return the zone of this name, UTC when the machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
