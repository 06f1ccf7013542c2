"""Is a known weakness in what an installation gets? pip-audit, over every lock file.

Where its source of advisories cannot be asked, or does not know a package, that is said and is no failure.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCKS = sorted(path for folder in ("", "scripts", "tests") for path in (ROOT / folder).glob("*.lock"))
PATIENCE = 240
"""Seconds for one lock file."""


def main() -> None:
    """Print every advisory, and how many packages were looked up; end with 1 when there is an advisory."""
    found = audited = pinned = 0
    for lock in LOCKS:
        name = lock.relative_to(ROOT)
        pins = len(re.findall(r"^[A-Za-z0-9._-]+==", lock.read_text(), re.MULTILINE))
        known = [package for package in _asked_about(lock) if "skip_reason" not in package]
        for package in known:
            for advisory in package["vulns"]:
                found += 1
                fixed = ", ".join(advisory["fix_versions"]) or "none yet"
                print(f"{name}: {package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}")
        print(f"{name}: {len(known)} of {pins} packages audited")
        audited, pinned = audited + len(known), pinned + pins
    print(f"{audited} of {pinned} packages audited, {found} advisories")
    if audited < pinned:
        print("NOT AUDITED are the others: the source of advisories that is reached from here does not know them.")
    sys.exit(1 if found else 0)


def _asked_about(lock: Path) -> list[dict[str, Any]]:
    """Return what pip-audit says of each package of a lock file; nothing when it cannot ask."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format=json"]
    try:
        ended = subprocess.run(
            [*command, "--progress-spinner=off", "--requirement", str(lock)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        print(f"{lock.name}: no answer within {PATIENCE} s")
        return []
    try:
        packages: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        print(f"{lock.name}: could not ask: {(ended.stderr.strip().splitlines() or ['no reason given'])[-1]}")
        return []
    return packages


if __name__ == "__main__":
    main()
