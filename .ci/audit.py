"""Is a known weakness in what an installation gets? pip-audit, over the lock files.

Where its source of advisories cannot be asked, or does not know a package, that is said and is no failure.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "scripts/embedded.lock", "tests/requirements.lock")
PATIENCE = 240


def main() -> None:
    """Print every advisory; end with 1 when there is one."""
    found = unknown = asked = 0
    for lock in LOCKS:
        for package in _audited(lock):
            if "skip_reason" in package:
                unknown += 1
                continue
            asked += 1
            for advisory in package["vulns"]:
                found += 1
                fixed = ", ".join(advisory["fix_versions"]) or "none yet"
                print(f"{lock}: {package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}")
    print(f"{asked} packages audited, {found} advisories; {unknown} not known to the source of advisories here")
    sys.exit(1 if found else 0)


def _audited(lock: str) -> list[dict[str, Any]]:
    """Return what pip-audit says of each package of a lock file; nothing when it cannot ask."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format=json"]
    try:
        ended = subprocess.run(
            [*command, "--progress-spinner=off", "--requirement", str(ROOT / lock)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        packages: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        print(f"{lock}: the source of advisories cannot be asked here")
        return []
    return packages


if __name__ == "__main__":
    main()
