"""How does a process that works for another one never outlive it?

One that is killed while it starts another leaves an orphan with orders waiting on its standard input. Carried out late,
they would end up in the tables of the next rebuild, or behind a newer record of the same person.
"""

import ctypes
import os
import signal
import sys

_SIGNAL_WHEN_PARENT_DIES = 1  # PR_SET_PDEATHSIG of Linux


def end_with(parent: int) -> None:
    """Have this process killed when `parent`, the process that started it, ends; exit if it has ended already."""
    ctypes.CDLL(None).prctl(_SIGNAL_WHEN_PARENT_DIES, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the program that wanted this one has ended")
