"""Does a fresh clone of this commit serve a partner's record, and leave nothing running?"""

import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

RECORD = {
    "first_name": "Ann",
    "last_name": "Garcia-Lopez",
    "date_of_birth": "03/01/1980",
    "phone_number": "(212) 555-0142",
    "email": "Ann.Lopez@Example.com",
    "zip": 10001,
}


def main() -> None:
    """Clone, serve, upsert twice, stop; AssertionError says what was not so."""
    with tempfile.TemporaryDirectory(prefix="ledger-clone-") as folder:
        clone, data = Path(folder, "clone"), Path(folder, "data")
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        began = time.monotonic()
        command = [str(clone / "scripts" / "serve"), "--port", "0", "--data-dir", str(data)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serve:
            try:
                _await_readiness(serve)
                print(f"ready after {time.monotonic() - began:.0f} s")
                _call(json.loads((data / "demo.json").read_text()))
            finally:
                serve.send_signal(signal.SIGTERM)
            assert serve.wait(timeout=60) == 0, f"serve ended with {serve.returncode}"
        left = _processes_of(folder)
        assert not left, f"left running: {left}"
        print("a record was created, found again, and nothing is left running")


def _await_readiness(serve: subprocess.Popen[str]) -> None:
    assert serve.stdout is not None
    for line in serve.stdout:
        print(f"  {line}", end="")
        if "Ctrl-C" in line:
            return
    sys.exit("serve ended before it was ready")


def _call(demo: dict[str, Any]) -> None:
    type_id = demo["external_id_types"][0]["id"]
    first = _upsert(demo, RECORD | {"external_id": {"type_id": type_id, "value": "MRN-1"}})
    assert first["created"], first["match_tier"]
    assert first["dropped_fields"] == [], first["dropped_fields"]
    again = _upsert(demo, RECORD)
    assert again["matched"], again["match_tier"]
    assert again["match_tier"] == "demographics", again["match_tier"]
    assert again["receipt"]["events"] == [], again["receipt"]["events"]
    assert again["patient"]["id"] == first["patient"]["id"]


def _upsert(demo: dict[str, Any], record: dict[str, Any]) -> Any:
    request = urllib.request.Request(  # noqa: S310 - our own service on loopback
        f"{demo['base_url']}/v1/patients/upsert",
        data=json.dumps(record).encode(),
        headers={"Content-Type": "application/json", "X-API-Key": demo["api_key"]},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
        return json.load(answer)


def _processes_of(folder: str) -> list[str]:
    """Return the command lines that name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_text().replace("\0", " ")
        except OSError:  # gone by now
            continue
        if folder in line:
            found.append(line)
    return found


if __name__ == "__main__":
    main()
