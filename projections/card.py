"""What does a patient look like on a page? The fold as rows: a label and a value each, in sections. Pure.

A row's key is what the history is asked by: `phone_number`, `external_id@TYPE`, `payors.plan_name@PAYOR`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.entry import Entry, ErasedEvent
from domain.golden_record import ADDRESS_PARTS
from domain.organization import Organization
from domain.patient import Patient, evolve
from projections.told import id_type, named
from projections.wording import Display, capital, label


@dataclass(frozen=True)
class Row:
    """One line of the card; `value` is as stored, with names in place of the organization's ids."""

    key: str
    section: str
    label: str
    field: str
    value: Any

    def text(self, display: Display) -> str:
        """Return the value as `display` shows it."""
        return display.value(self.field, self.value)


Rows = list[Row]

_FACTS = (
    ("Person", ("first_name", "middle_name", "last_name", "date_of_birth", "gender")),
    ("Contact", ("phone_number", "phone_extension", "additional_phone_number", "email")),
    ("At the clinic", ("workflow_stage_id", "assigned_user_id", "location_id", "comments")),
)


def card(patient: Patient, organization: Organization | None = None) -> Rows:
    """Return the rows of the card, in the order they are shown."""
    return [row for _, part in _PARTS for row in part(patient, organization)]


def split_key(key: str) -> tuple[str, str | None]:
    """Return (field, item) of a row's key."""
    if key.startswith("custom_fields."):
        return key, None
    field, _, item = key.partition("@")
    return field, item or None


def _facts(patient: Patient, organization: Organization | None) -> Rows:
    facts = patient.facts
    rows: Rows = []
    for section, fields in _FACTS:
        rows += [
            Row(field, section, capital(label(field)), field, named(field, facts[field], organization))
            for field in fields
            if field in facts
        ]
        if section == "Contact":
            address = [facts[part] for part in ADDRESS_PARTS if facts.get(part)]
            rows += [Row("address", section, "Address", "address", ", ".join(address))] if address else []
    at = "first_communication_at"
    if patient.first_communication_at:
        rows.append(Row(at, "Contact", "Phone locked since", at, patient.first_communication_at))
    return sorted(rows, key=lambda row: _SECTIONS.index(row.section))


def _tags(patient: Patient, _organization: Organization | None) -> Rows:
    return [Row("tags", "At the clinic", "Tags", "tags", list(patient.tags))] if patient.tags else []


def _external_ids(patient: Patient, organization: Organization | None) -> Rows:
    rows = [
        Row(f"external_id@{type_id}", "External ids", id_type(type_id, organization), "external_id", held["value"])
        for type_id, held in patient.external_ids.items()
    ]
    return sorted(rows, key=lambda row: (row.label, row.key))


def _payors(patient: Patient, organization: Organization | None) -> Rows:
    return _items(patient.payors, "payors", "payor", "Insurance", organization)


def _referrals(patient: Patient, organization: Organization | None) -> Rows:
    return _items(patient.referrals, "referral", "referral", "Referral", organization)


def _items(
    items: Iterable[Mapping[str, Any]], field: str, content: str, title: str, organization: Organization | None
) -> Rows:
    rows: Rows = []
    for place, held in enumerate(items, start=1):
        section = f"{title} {place}"
        for name, value in held[content].items():
            path = f"{field}.{name}"
            shown = named(path, value, organization)
            rows.append(Row(f"{path}@{held['id']}", section, capital(label(name)), path, shown))
    return rows


def _custom_fields(patient: Patient, _organization: Organization | None) -> Rows:
    return [
        Row(f"custom_fields.{name}", "Custom fields", name, f"custom_fields.{name}", value)
        for name, value in patient.custom_fields.items()
    ]


def _checks(patient: Patient, _organization: Organization | None) -> Rows:
    rows = [
        Row(f"possible_duplicate@{other}", "To check", "Possible duplicate", "possible_duplicate", f"patient {other}")
        for other in patient.unresolved_duplicates
    ]
    if patient.unresolved_overlay:
        rows.append(Row("overlay", "To check", "Possible mix-up", "overlay", "a record described somebody else"))
    return rows


_SECTIONS = ("Person", "Contact", "At the clinic")
_PARTS: Sequence[tuple[tuple[str, ...], Callable[[Patient, Organization | None], Rows]]] = (
    (("facts", "first_communication_at"), _facts),
    (("tags",), _tags),
    (("external_ids",), _external_ids),
    (("payors",), _payors),
    (("referrals",), _referrals),
    (("custom_fields",), _custom_fields),
    (("possible_duplicates", "distinct_from", "absorbed", "merged_into", "suspected_overlay"), _checks),
)
"""Parts of the state → the rows that depend on them and on nothing else."""


@dataclass
class RowHistory:
    """A row through time: the texts it showed, each from a version on; `None` where it was not there."""

    row: Row
    texts: list[tuple[int, str | None]]


def states(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Patient]]:
    """Yield each entry with the state after it, oldest first; nothing for a stream that was erased."""
    state: Patient | None = None
    for entry in entries:
        if state is None and isinstance(entry.event, ErasedEvent):
            return
        state = evolve(state, entry.event, entry.envelope())
        yield entry, state


def through_time(
    states: Iterable[tuple[Entry, Patient]], organization: Organization | None, display: Display
) -> list[RowHistory]:
    """Return every row there ever was with its texts; a step costs what it changed, not the whole card."""
    seen: dict[tuple[int, str], RowHistory] = {}
    shown: list[dict[str, Any]] = [{} for _ in _PARTS]
    before: Patient | None = None
    for entry, state in states:
        for place, (attributes, part) in enumerate(_PARTS):
            if before is not None and all(getattr(before, name) is getattr(state, name) for name in attributes):
                continue
            rows = {row.key: row for row in part(state, organization)}
            for key, row in rows.items():
                if key not in shown[place] or shown[place][key] != row.value:
                    history = seen.setdefault((place, key), RowHistory(row, []))
                    history.texts.append((entry.originator_version, row.text(display)))
            for key in shown[place].keys() - rows.keys():
                seen[place, key].texts.append((entry.originator_version, None))
            shown[place] = {key: row.value for key, row in rows.items()}
        before = state
    return sorted(seen.values(), key=lambda each: _rank(each.row))


def _rank(row: Row) -> tuple[int, str, int]:
    ranks = {"External ids": 3, "Custom fields": 6, "To check": 7}
    kind = row.section.split(" ")[0]
    if row.section in _SECTIONS:
        fields = [*_FACTS[_SECTIONS.index(row.section)][1], "address", "first_communication_at", "tags"]
        return _SECTIONS.index(row.section), "", fields.index(row.key)
    return ranks.get(row.section, 4 if kind == "Insurance" else 5), row.section, 0


@dataclass(frozen=True)
class Difference:
    """A row at two moments; `None` where it was not there."""

    row: Row
    before: str | None
    after: str | None


def compare(
    before: Patient, after: Patient, organization: Organization | None, display: Display
) -> tuple[list[Difference], list[Row]]:
    """Return (the rows that differ, the rows that do not).

    Values are compared as stored, not as shown: a masked value that changed is still told as changed.
    """
    old = {row.key: row for row in card(before, organization)}
    new = {row.key: row for row in card(after, organization)}
    different, same = [], []
    for key in sorted({**new, **old}, key=lambda key: _rank(new.get(key) or old[key])):
        one, other = old.get(key), new.get(key)
        if one is not None and other is not None and one.value == other.value:
            same.append(other)
            continue
        texts = (None if row is None else row.text(display) for row in (one, other))
        different.append(Difference(other or old[key], *texts))
    return different, same
