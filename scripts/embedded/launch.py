"""How does a program run as another user, and end when the one that started it is killed?

Run by path: `python -I -S launch.py PARENT_PID SIGNAL UID GID FOLDER SEEN PROGRAM ARGUMENTS…`. It becomes the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 4096, 16384, 1 << 18

UNSEEN = "the folder cannot be shown to the user that PostgreSQL runs as"


def child(program: list[str]) -> list[str]:
    """Return the command line of a program that stays the user that we are, and gets SIGTERM when this thread ends."""
    who = [os.getpid(), int(signal.SIGTERM), os.geteuid(), os.getegid(), "/", "/"]
    return [sys.executable, "-I", "-S", __file__, *map(str, who), *program]


def main(arguments: list[str]) -> None:
    """Become the program, as this user; the signal reaches it when the thread that started us ends.

    Where FOLDER and SEEN differ, the program, and nobody else, finds FOLDER in the place of SEEN.
    """
    parent, ending, uid, gid = map(int, arguments[:4])
    folder, seen, *command = arguments[4:]
    libc = ctypes.CDLL(None, use_errno=True)
    if folder != seen:
        _show(libc, folder.encode(), seen.encode())
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    libc.prctl(PR_SET_PDEATHSIG, ending)  # after the change of user, which would clear it
    if os.getppid() != parent:
        sys.exit("the program that wanted this one has ended")
    os.execv(command[0], command)  # noqa: S606 - our own argument list, no shell


def _show(libc: ctypes.CDLL, folder: bytes, seen: bytes) -> None:
    """Mount `folder` on `seen` in a mount namespace of our own, which ends with the program."""
    failed = (
        libc.unshare(CLONE_NEWNS)
        or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
        or libc.mount(folder, seen, None, MS_BIND, None)
    )
    if failed:
        sys.exit(f"error: {UNSEEN}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(sys.argv[1:])
