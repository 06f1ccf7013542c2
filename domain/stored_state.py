"""How does a stored state become an object again, when another version of the program may have stored it?

Fields that the stored form lacks have their defaults. Fields that this program does not know are carried along
untouched, through every change and back into the stored form, so that two versions can run side by side.

Of a `sparse` state neither the object nor the stored form holds what is empty: a quarter less to move.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, TypeVar

State = TypeVar("State")


def restore(cls: type[State], stored: Mapping[str, Any]) -> State:
    """Return the object of a frozen dataclass whose fields these are; values are taken as they stand."""
    dataclass: Any = cls
    return made(cls, {**_defaults(dataclass), **stored})


def sparse(cls: type[State]) -> type[State]:
    """Let objects of a frozen dataclass do without fields that have their defaults, which the class then has."""
    dataclass: Any = cls
    for name, default in _defaults(dataclass).items():
        setattr(cls, name, default)
    return cls


def put(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change fields of a sparse state; what is empty (null, nothing listed) goes."""
    for name, value in changes.items():
        if value:
            values[name] = value
        else:
            values.pop(name, None)
    return values


def with_changes(state: State, changes: dict[str, Any]) -> State:
    """Return a copy with these fields changed (`dataclasses.replace` assigns field by field: six times slower)."""
    return made(type(state), vars(state) | changes)


def made(cls: type[State], values: dict[str, Any]) -> State:
    """Return the object of a frozen dataclass with all its values; its own `__init__` assigns field by field."""
    one = _new(cls)
    _set(one, "__dict__", values)
    return one


_new, _set = object.__new__, object.__setattr__


@cache
def _defaults(cls: Any) -> dict[str, Any]:
    """Return field → default; what is mutable among them is shared and never changed."""
    return {
        each.name: each.default if each.default_factory is MISSING else each.default_factory()
        for each in fields(cls)
        if (each.default, each.default_factory) != (MISSING, MISSING)
    }
