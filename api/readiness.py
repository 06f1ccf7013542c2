"""Can this process do its work now? The database, its migrations, the projections, and whether it is about to stop."""

from typing import Any

from api.settings import Settings
from domain.errors import LedgerError, LedgerUnavailable
from domain.ledger import Ledger
from projections import migrations

DRAINING = "draining"
"""A file of this name in the run folder: the service is about to stop, send it nothing new."""


def checks(ledger: Ledger, settings: Settings) -> dict[str, dict[str, Any]]:
    """Return name → whether it is fine, whether that is vital, and what to know about it."""
    draining = settings.run_dir is not None and (settings.run_dir / DRAINING).exists()
    told = {"draining": _check("about to stop" if draining else "no", fine=not draining)}
    try:
        with ledger.recorder.reading() as cursor:
            told["database"] = _check("answers", fine=True)
            lacking = migrations.lacking(cursor)
            told["migrations"] = _check(f"{len(lacking)} to apply" if lacking else "all applied", fine=not lacking)
            if not lacking:
                (aside,) = cursor.execute("SELECT coalesce(sum(streams), 0)::int FROM parked_counts()").fetchone()
                told["projections"] = _check(f"{aside} streams set aside", fine=not aside, vital=False)
    except LedgerUnavailable as error:
        told["database"] = _check(str(error.details.get("cause", "away")), fine=False)
    except LedgerError as error:
        told["migrations"] = _check(str(error), fine=False)
    return told


def _check(detail: str, *, fine: bool, vital: bool = True) -> dict[str, Any]:
    return {"fine": fine, "vital": vital, "detail": detail}
