"""Which column of a file is which field of a record?

A mapping file is JSON: `{"columns": {"MRN": "external_id.value", "Labels": {"field": "tags", "split": ";"}, "Notes":
null}, "constants": {"external_id.type_id": "…"}}`. A field is the path of the contract's name, places in lists as
numbers (`payors.0.member_id`); null leaves a column out. Without one, a column has the name of its field.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from domain.errors import LedgerError
from domain.record import UpsertRecord

FIELDS = frozenset(UpsertRecord.model_fields)

MOST_PAYORS = 20


class BadMapping(LedgerError):
    """The mapping cannot be used; its form is described in the README, at Import."""


class UnknownColumns(LedgerError):
    """These columns are no fields of a record; give a --mapping that names their fields, or null to leave them out."""


@dataclass(frozen=True)
class Target:
    """Where a value goes: the path of its field, and at what a text is split into a list."""

    path: tuple[str | int, ...]
    split: str | None = None


@dataclass(frozen=True)
class ColumnMapping:
    """Column → target, `None` for one that is left out, and what every record has besides."""

    columns: Mapping[str, Target | None] = field(default_factory=dict)
    constants: Sequence[tuple[Target, Any]] = ()

    def for_header(self, header: Iterable[str]) -> list[Target | None]:
        """Return the target of each column. UnknownColumns for one that is neither mapped nor a field; BadMapping."""
        names = list(header)
        unknown = [name for name in names if name not in self.columns and _own_target(name) is None]
        if unknown:
            no_header = len(unknown) == len(names)  # then these are values of a patient, not to be told
            raise UnknownColumns(columns="all; is there a header?" if no_header else unknown[:20])
        targets = [self.columns[name] if name in self.columns else _own_target(name) for name in names]
        paths = [target.path for target in targets if target is not None]
        if twice := sorted({".".join(map(str, path)) for path in paths if paths.count(path) > 1}):
            raise BadMapping(fields=twice, reason="two columns for one field; rename one, or map it to null")
        self.record(targets, ["x"] * len(targets))  # BadMapping now rather than in the middle of the file
        return targets

    def record(self, targets: Sequence[Target | None], cells: Iterable[Any]) -> dict[str, Any]:
        """Return the record that a row says; a blank cell says nothing."""
        record: dict[str, Any] = {}
        for fixed, constant in self.constants:
            _put(record, fixed.path, constant)
        for target, cell in zip(targets, cells, strict=True):
            if target is not None and cell not in ("", None):
                value = cell.split(target.split) if target.split and isinstance(cell, str) else cell
                _put(record, target.path, value)
        return record


def read_mapping(path: Path | None) -> ColumnMapping:
    """Return the mapping in this file; without one, columns have the names of fields. BadMapping."""
    if path is None:
        return ColumnMapping()
    try:
        told = json.loads(path.read_text("utf-8-sig"))
        if not told.keys() <= {"columns", "constants"}:
            raise BadMapping(reason='an object with "columns" and "constants" is expected')
        columns = {name: _target(value) for name, value in told.get("columns", {}).items()}
        constants = [(_strictly(name), value) for name, value in told.get("constants", {}).items()]
    except (OSError, ValueError, AttributeError) as error:
        raise BadMapping(reason=type(error).__name__) from None
    return ColumnMapping(columns, constants)


def _target(told: Any) -> Target | None:
    match told:
        case None:
            return None
        case str():
            return _strictly(told)
        case {"field": str(name), "split": str(separator)} if separator:
            return Target(_strictly(name).path, separator)
    raise BadMapping(reason="a column maps to a field, to a field and a split, or to null")


def _strictly(name: str) -> Target:
    target = _own_target(name)
    if target is None:
        raise BadMapping(field=name)
    return target


def _own_target(name: str) -> Target | None:
    """Return the target of a column that is named as its field is: `First Name` is first_name."""
    parts = name.strip().split(".")
    first = parts[0].strip().lower().replace(" ", "_")
    if first not in FIELDS or not all(parts):
        return None
    path = (first, *(int(part) if part.isdecimal() else part for part in parts[1:]))
    return None if any(isinstance(part, int) and part >= MOST_PAYORS for part in path) else Target(path)


def _put(record: dict[str, Any], path: Sequence[str | int], value: Any) -> None:
    """Put a value at its place; what lies on the way is made."""
    held: Any = record
    for part, following in pairwise(path):
        held = _child(held, part, [] if isinstance(following, int) else {})
    _child(held, path[-1], value, replace=True)


def _child(held: Any, part: str | int, default: Any, *, replace: bool = False) -> Any:
    if isinstance(held, list) and isinstance(part, int):
        held.extend({} for _ in range(part + 1 - len(held)))
    elif not isinstance(held, dict) or isinstance(part, int):
        raise BadMapping(reason="a field is two of a value, a list and an object")
    elif part not in held:
        held[part] = default
    if replace:
        held[part] = default
    return held[part]
