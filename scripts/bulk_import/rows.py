"""What does a file say, row by row? CSV or NDJSON; a row that cannot be read is told with its line and the rule."""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

import orjson

from api.bodies import parse_object
from api.problems import problem_of
from domain.errors import LedgerError
from scripts.bulk_import.mapping import BadMapping, ColumnMapping, UnknownColumns

DELIMITERS = ",;\t|"

_UNDECODED = frozenset(map(chr, range(0xDC80, 0xDD00)))
"""What stands for bytes that are not in the encoding."""

LONGEST_LINE = 1 << 20
"""Bytes of a row at most, as of a request."""


class UnreadableFile(LedgerError):
    """The file has no header that can be read; say --encoding, --delimiter or --format."""


@dataclass(frozen=True)
class Row:
    """A row: the line it starts at, its record and that as JSON."""

    line: int
    record: dict[str, Any]
    body: bytes
    original: Any


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read; `problem` is the rule it breaks."""

    line: int
    problem: str
    original: Any


def rule_of(error: LedgerError) -> str:
    """Return the word for what was refused, as answers over HTTP have it."""
    problem = problem_of(type(error))
    return type(error).__name__ if problem is None else problem.slug


def read_ndjson(file: IO[bytes], mapping: ColumnMapping) -> Iterator[Row | BadRow]:
    """Yield the records of a file with one JSON object a line; blank lines are no rows.

    UnknownColumns and BadMapping for the first one, before anything is placed; a later one is a bad row.
    """
    is_mapped = False
    for number, line in enumerate(_lines(file), start=1):
        text = line.strip()
        if number == 1:
            text = text.removeprefix(codecs.BOM_UTF8)
        if not text:
            continue
        original = text.decode("utf-8", "replace")
        if len(text) > LONGEST_LINE:
            yield BadRow(number, "body-too-large", original[:1000])
            continue
        try:
            body = parse_object(text)
            if mapping.columns or mapping.constants:
                body = mapping.record(mapping.for_header(body), body.values())
                text = orjson.dumps(body)
        except LedgerError as error:
            if isinstance(error, UnknownColumns | BadMapping) and not is_mapped:
                raise
            yield BadRow(number, rule_of(error), original)
            continue
        is_mapped = True
        yield Row(number, body, text, original)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; what goes beyond the longest one is skipped, however long it is."""
    while line := file.readline(LONGEST_LINE + 2):
        rest = line
        while rest and not rest.endswith(b"\n") and len(rest) >= LONGEST_LINE + 2:
            rest = file.readline(LONGEST_LINE + 2)
        yield line


def read_csv(
    file: IO[bytes], mapping: ColumnMapping, *, encoding: str, delimiter: str | None
) -> Iterator[Row | BadRow]:
    """Yield the records of a CSV file (RFC 4180); its first row is the header.

    The delimiter is the one of `DELIMITERS` that the header has most of. UnreadableFile, UnknownColumns, BadMapping.
    """
    text = io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline="")
    first = text.readline(LONGEST_LINE)
    if not first.strip() or "\0" in first or any(sign in _UNDECODED for sign in first):
        raise UnreadableFile
    delimiter = delimiter or max(DELIMITERS, key=first.count)
    reader = csv.reader(chain([first], text), delimiter=delimiter, strict=True)  # or a lone quote takes in other rows
    try:
        header = next(reader)
    except csv.Error:
        raise UnreadableFile from None
    targets = mapping.for_header(header)
    for line, cells in _cells(reader):
        if isinstance(cells, str):
            yield BadRow(line, "not-csv", cells)
            continue
        original = dict(zip(header, cells, strict=False))
        if len(cells) != len(header):
            yield BadRow(line, "wrong-number-of-cells", original)
        elif any(sign in _UNDECODED for cell in cells if not cell.isascii() for sign in cell):
            yield BadRow(line, "not-in-this-encoding", {name: ascii(cell)[1:-1] for name, cell in original.items()})
        else:
            record = mapping.record(targets, cells)
            yield Row(line, record, orjson.dumps(record), original)


def _cells(reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Yield (line the row starts at, its cells, or what is wrong with it); blank lines are no rows."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield line, f"lines {line} to {reader.line_num}: {error}"
            continue
        if cells is None:
            return
        if cells:
            yield line, cells
