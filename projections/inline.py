"""Which projections are written in the append's transaction, into which tables, and from what?

Each one is a function of the folds of streams. The append calls `write` with what it changed, the rebuild with what it
has caught up on; `encoded` are the same rows for COPY into an empty table.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from domain.organization import Organization
from domain.patient import Patient
from projections import directory, duplicates, match_index, patients
from projections.trips import Writer

State = Patient | Organization


class Change(NamedTuple):
    """A stream's state before and after, and the chain hash of its last entry; `None` while that is being appended."""

    before: State | None
    after: State
    chain_hash: bytes | None


Encoded = Callable[[Patient, bytes], bytes]
"""(patient, chain hash of its last entry) → its rows."""


@dataclass(frozen=True)
class Table:
    """A table of a projection. `stream` are the columns that name the stream a row comes from.

    `columns` and `encoded` serve COPY; a table that is small enough to be written row by row has none.
    """

    name: str
    stream: tuple[str, str]
    columns: tuple[str, ...] = ()
    encoded: Encoded | None = None


@dataclass(frozen=True)
class Projection:
    """One projection: its tables, the streams it is made of, and how it is written."""

    name: str
    tables: tuple[Table, ...]
    of: type[Patient] | type[Organization]
    write: Callable[[Writer, Sequence[Any]], None]


def _write_patients(writer: Writer, changes: Sequence[Change]) -> None:
    held = [row for each in changes for row in patients.rows(_patient(each.after), each.chain_hash)]
    if held:
        patients.write(writer, held)
    if erased := [_patient(each.after) for each in changes if _patient(each.after).erased]:
        patients.remove(writer, erased)


def _write_match_index(writer: Writer, changes: Sequence[Change]) -> None:
    match_index.write(writer, _before_and_after(changes))


def _write_duplicates(writer: Writer, changes: Sequence[Change]) -> None:
    duplicates.write(writer, _before_and_after(changes))


def _before_and_after(changes: Sequence[Change]) -> list[tuple[Patient | None, Patient]]:
    return [(None if each.before is None else _patient(each.before), _patient(each.after)) for each in changes]


def _write_directory(writer: Writer, changes: Sequence[Change]) -> None:
    for before, after, chain_hash in changes:
        assert before is None or isinstance(before, Organization)
        assert isinstance(after, Organization)
        directory.write(writer, before, after, chain_hash)


def _patient(state: State) -> Patient:
    assert isinstance(state, Patient)
    return state


PROJECTIONS: Mapping[str, Projection] = {
    projection.name: projection
    for projection in (
        Projection(
            name="directory",
            tables=(
                Table("organizations", stream=("id", "id")),
                Table("api_keys", stream=("organization_id", "organization_id")),
            ),
            of=Organization,
            write=_write_directory,
        ),
        Projection(
            name="patients",
            tables=(
                Table(
                    "patients",
                    stream=("organization_id", "id"),
                    columns=patients.Row._fields,
                    encoded=patients.encoded,
                ),
            ),
            of=Patient,
            write=_write_patients,
        ),
        Projection(
            name="match_index",
            tables=(
                Table(
                    "match_keys",
                    stream=("organization_id", "patient_id"),
                    columns=("organization_id", "kind", "key", "patient_id"),
                    encoded=match_index.encoded,
                ),
            ),
            of=Patient,
            write=_write_match_index,
        ),
        Projection(
            name="duplicates",
            tables=(
                Table(
                    "possible_duplicates",
                    stream=("organization_id", "patient_id"),
                    columns=duplicates.Row._fields,
                    encoded=duplicates.encoded,
                ),
            ),
            of=Patient,
            write=_write_duplicates,
        ),
    )
}
"""By name, in the order in which the flip locks their tables.

An upsert locks organizations first, with its look-up, and waits for the flip there, before it holds anything; any other
change of a patient locks patients before match_keys. Duplicates come last for all of them.
"""

WITHOUT_PLACE = ("match_index",)
"""Those whose rows tell neither instants nor hashes: an append writes them before it takes the head row."""

WITH_PLACE = tuple(name for name in PROJECTIONS if name not in WITHOUT_PLACE)


def write(writer: Writer, changes: Iterable[Change], names: Iterable[str] = tuple(PROJECTIONS)) -> None:
    """Bring these projections from each state before to the state after, in the tables that `writer` finds first."""
    listed = list(changes)
    for name in names:
        projection = PROJECTIONS[name]
        own = [change for change in listed if isinstance(change.after, projection.of)]
        if own:
            projection.write(writer, own)
