"""How does the ledger refuse? Each child's docstring is its message; patient values never stand in one."""

from typing import Any


class LedgerError(Exception):
    """The ledger refused this."""

    def __init__(self, **details: Any) -> None:
        self.details = details
        super().__init__(type(self).__doc__)


class IllegalCommand(LedgerError):
    """This command does not fit the state of its stream."""

    def __init__(self, command: object) -> None:
        super().__init__(command=type(command).__name__)


class TooLittleToIdentify(LedgerError):
    """A record needs a phone, or first name, last name and date of birth, or the external id of a known patient."""


class BadParameter(LedgerError):
    """A parameter of the request has a form that cannot be used."""


class UnreachedPosition(LedgerError):
    """Ahead of the ledger, which was perhaps restored from a backup: read again from where that ended, or from 0."""


class UnreadableEntry(LedgerError):
    """An entry of the log is not what any version of this program writes; `./scripts/ledger verify` tells more."""


class UnknownPatient(LedgerError):
    """There is no such patient in this organization."""


class UnknownOrganization(LedgerError):
    """There is no such organization."""


class UnsafeSetting(LedgerError):
    """A setting of the event store would let readers lose events."""


class LedgerUnavailable(LedgerError):
    """The database cannot be reached or did not answer in time; nothing was stored."""


class WriteConflict(LedgerUnavailable):
    """Another request wrote first; nothing was stored, send this one again."""


class OutcomeUnknown(LedgerUnavailable):
    """The connection broke while storing; send the same request again, it is applied once."""
