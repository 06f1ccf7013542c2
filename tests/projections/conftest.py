"""The clinic, for the tests of this folder."""

from tests.clinic import clinic

__all__ = ["clinic"]
