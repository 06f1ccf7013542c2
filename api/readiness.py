"""Can this process do its work now? The database, its migrations, the projections, and whether it is about to stop."""

from typing import Any

from api.settings import Settings
from domain.errors import LedgerError, LedgerUnavailable
from domain.ledger import Ledger
from projections import migrations
from projections.status import Status, read_status

DRAINING = "draining"
"""A file of this name in the run folder: the service is about to stop, send it nothing new."""


def checks(ledger: Ledger, settings: Settings) -> tuple[dict[str, dict[str, Any]], dict[str, Any] | None]:
    """Return name → whether it is fine, whether that is vital, and what to know about it; and the ledger's state."""
    state: Status | None = None
    draining = settings.run_dir is not None and (settings.run_dir / DRAINING).exists()
    told = {"draining": _check("about to stop" if draining else "no", fine=not draining)}
    try:
        with ledger.recorder.reading() as cursor:
            told["database"] = _check("answers", fine=True)
            lacking = migrations.lacking(cursor)
            told["migrations"] = _check(f"{len(lacking)} to apply" if lacking else "all applied", fine=not lacking)
            if not lacking:
                state = read_status(cursor)
                found = state.findings
                told["projections"] = _check("; ".join(found) or "all as they should be", fine=not found, vital=False)
    except LedgerUnavailable as error:
        told["database"] = _check(str(error.details.get("cause", "away")), fine=False)
    except LedgerError as error:
        told["migrations"] = _check(str(error), fine=False)
    return told, None if state is None else _public(state)


def _public(state: Status) -> dict[str, Any]:
    """Return the ledger's state without the names of machines."""
    told = state.to_json()
    told["projections"] = [
        {name: value for name, value in each.items() if name != "instance"} for each in told["projections"]
    ]
    return told


def _check(detail: str, *, fine: bool, vital: bool = True) -> dict[str, Any]:
    return {"fine": fine, "vital": vital, "detail": detail}
