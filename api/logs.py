"""What is logged, and how? One JSON object a line on standard error, with no keys but those listed here.

No value of a patient can come in by way of a key that is not listed; what other libraries log is told by its template,
without the arguments.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, BinaryIO, cast

import orjson
import structlog

KEYS = (
    "timestamp", "level", "event", "request_id", "method", "route", "status", "duration_ms", "organization_id",
    "key_id", "error", "place", "logger", "follower", "position", "reason",
)  # fmt: skip
"""Every key that a line may have, in this order. Names, ids that the ledger made, numbers: no text that was sent."""

LONGEST = 200

_AS_THEY_ARE = (int, float, bool, type(None))

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def only_listed(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Return the entry with the listed keys alone, and texts cut."""
    return {key: _short(entry[key]) for key in KEYS if key in entry}


def _short(value: Any) -> Any:
    return value if isinstance(value, _AS_THEY_ARE) else str(value)[:LONGEST]


class Templates(logging.Handler):
    """Tells what other libraries log: who, how bad, and the template without its arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the template."""
        template = record.msg if isinstance(record.msg, str) and record.args else record.levelname.lower()
        structlog.get_logger().log(max(record.levelno, logging.DEBUG), template, logger=record.name)


class Lines:
    """Where lines go. One that is not taken, by a full disk or a closed pipe, is lost; whoever logs goes on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: bytes) -> None:
        """Write a line."""
        with suppress(OSError):
            self._file.write(line)

    def flush(self) -> None:
        """Pass on what was written."""
        with suppress(OSError):
            self._file.flush()


def set_up(level: str) -> None:
    """Log from this level on, in this process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_listed,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", Lines(sys.stderr.buffer))),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [Templates()]
    root.setLevel(max(_LEVELS[level], logging.WARNING))
