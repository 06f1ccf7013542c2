"""Where are checkpoints kept that who owns the database cannot take back?

In a folder outside of it, one file for each, named after its size and never written twice. Let it lie on another
machine, or copy it to one: a ledger that was rewritten or set back contradicts the copies.
"""

import os
from pathlib import Path

from domain.errors import LedgerError

_SUFFIX = ".checkpoint"


class OtherCheckpoint(LedgerError):
    """Another checkpoint of the same size was kept: the ledger has told two histories."""


class CheckpointFolder:
    """A folder of signed notes."""

    def __init__(self, folder: Path) -> None:
        """Use the folder, which is made when the first checkpoint is kept."""
        self._folder = folder
        self._largest: int | None = None

    def keep(self, size: int, note: str) -> None:
        """Write the note, once and for all; nothing happens when it is there already.

        The file is complete when it gets its name, and on disk when this returns. OtherCheckpoint; OSError.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path, draft = self._path(size), self._folder / f".{size}.{os.getpid()}"
        with draft.open("w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)  # unlike a rename, this never replaces a file
        except FileExistsError:
            if self.read(size) != note:
                raise OtherCheckpoint(size=size) from None
        finally:
            draft.unlink()
        self._sync()
        if self._largest is not None:
            self._largest = max(self._largest, size)

    def read(self, size: int) -> str:
        """Return the note of that size. FileNotFoundError."""
        return self._path(size).read_text("utf-8")

    def sizes(self) -> list[int]:
        """Return the sizes of all checkpoints that were kept, smallest first."""
        return sorted(int(path.stem) for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal())

    def largest(self) -> int | None:
        """Return the size of the largest checkpoint; None when there is none.

        The folder is listed once: it holds half a million files after a year, and its writer asks every second.
        What others keep there later goes unseen until a new `CheckpointFolder` looks.
        """
        if self._largest is None:
            self._largest = max(self.sizes(), default=None)
        return self._largest

    def _path(self, size: int) -> Path:
        return self._folder / f"{size:020}{_SUFFIX}"

    def _sync(self) -> None:
        """Put the folder's names on disk."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
