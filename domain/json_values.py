"""Are two JSON values the same? Not as Python has it, where `True == 1`."""

from typing import Any


def same_json(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal: numbers by value, but true is not 1; members in any order."""
    match one, other:
        case bool(), _:
            return one is other
        case _, bool():
            return False
        case dict(), dict():
            return one.keys() == other.keys() and all(same_json(value, other[name]) for name, value in one.items())
        case list() | tuple(), list() | tuple():
            return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)
