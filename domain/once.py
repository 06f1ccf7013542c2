"""How is a property of something that never changes worked out once?"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class once(Generic[Value]):  # noqa: N801 - a decorator, like `property`
    """A property that is kept (`functools.cached_property` takes a lock for that until Python 3.12)."""

    def __init__(self, work: Callable[[Any], Value]) -> None:
        self._work, self._name = work, work.__name__
        self.__doc__ = work.__doc__

    def __get__(self, one: object, _owner: type) -> Value:
        value = vars(one)[self._name] = self._work(one)
        return value
