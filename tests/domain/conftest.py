"""The clinic, for the tests of this folder that need a real ledger."""

from tests.clinic import clinic

__all__ = ["clinic"]
