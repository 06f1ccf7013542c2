"""How does a program run as another user, and end when the one that started it is killed?

Run by path: `python -I -S launch.py PARENT_PID SIGNAL UID GID PROGRAM ARGUMENTS…`. It becomes the program.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the program, as this user; the signal reaches it when the thread that started us ends."""
    parent, signal, uid, gid = map(int, arguments[:4])
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal)  # after the change of user, which would clear it
    if os.getppid() != parent:
        sys.exit("the program that wanted this one has ended")
    os.execv(arguments[4], arguments[4:])  # noqa: S606 - our own argument list, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
