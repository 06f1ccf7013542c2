"""What is a resource, and what does it promise? What the OpenAPI document says of it beyond its docstrings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from falcon import MEDIA_JSON
from pydantic import BaseModel

from api.settings import Settings
from domain.errors import LedgerError
from domain.ledger import Ledger


@dataclass(frozen=True)
class Parameter:
    """One parameter in the query or a header. `schema` is its JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, Any]
    place: str = "query"
    example: str | int | bool | None = None

    def expected(self) -> str:
        """Return what may be sent, in words."""
        match self.schema:
            case {"enum": choices}:
                return f"{self.description} One of: {', '.join(choices)}."
            case {"minimum": least, "maximum": most}:
                return f"{self.description} A whole number from {least} to {most}."
            case {"pattern": pattern}:
                return f"{self.description} Its form: {pattern}"
        return self.description


@dataclass(frozen=True)
class Retirement:
    """When an operation is said to go, when it goes, and where its successor is described."""

    deprecated: datetime
    sunset: datetime
    successor: str


@dataclass(frozen=True)
class Operation:
    """What is taken and what comes back. `refusals` are the errors of this operation's own."""

    id: str
    answer: type[BaseModel]
    body: type[BaseModel] | None = None
    example: Mapping[str, Any] | None = None
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[type[LedgerError], ...] = ()
    has_etag: bool = False
    retirement: Retirement | None = None
    media: str = MEDIA_JSON
    """Of the body and of what comes back."""
    refused_line: type[BaseModel] | None = None
    """What also comes back, line by line, where one that is refused does not refuse the others."""
    unready: type[BaseModel] | None = None
    """What comes with 503, where that is no problem but an answer."""

    def query(self) -> list[str]:
        """Return the names of the parameters that the query may have."""
        return [each.name for each in self.parameters if each.place == "query"]

    def expected(self, name: str) -> str:
        """Return what this parameter may be, in words; of one that there is none, which there are."""
        found = next((each for each in self.parameters if each.name == name), None)
        if found is not None:
            return f"{name}: {found.expected()}"
        return f"There is no such parameter; there are: {', '.join(self.query()) or 'none'}."


class Resource:
    """What answers at a route: `on_get`, `on_post`, … parse, call and answer; their docstrings are published."""

    scopes: ClassVar[Mapping[str, str]] = {}
    """Method → what the key must be allowed to do; a method that is missing here is open to everybody."""
    operations: ClassVar[Mapping[str, Operation]] = {}
    """Method → what it promises."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings


def text(name: str, description: str, *, example: str | None = None, **schema: Any) -> Parameter:
    """Return a parameter that is text."""
    return Parameter(name, description, {"type": "string", **schema}, example=example)


def whole_number(name: str, description: str, *, least: int, most: int, default: int | None = None) -> Parameter:
    """Return a parameter that is a whole number between `least` and `most`."""
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    return Parameter(name, description, schema if default is None else {**schema, "default": default})


def header(name: str, description: str, **schema: Any) -> Parameter:
    """Return a parameter that is a header."""
    return Parameter(name, description, {"type": "string", **schema}, place="header")
