"""Does the audit of dependencies in CI fail when it should, and say when it looked at nothing?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = 5

WEAK = """
import json, sys
weak = {"id": "PYSEC-1", "fix_versions": ["2.0"]}
package = {"name": "falcon", "version": "4.4.0", "vulns": [weak] if sys.argv[-1].endswith("/requirements.lock") else []}
print(json.dumps({"dependencies": [package]}))
"""
FINE = WEAK.replace("[weak]", "[]")
UNKNOWN = 'print(\'{"dependencies": [{"name": "falcon", "skip_reason": "not found"}]}\')'
BROKEN = "import sys; sys.exit('nobody answers')"


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (WEAK, 1, "requirements.lock: falcon 4.4.0: PYSEC-1, fixed in 2.0"),
        (FINE, 0, f"{LOCKS} of "),
        (UNKNOWN, 0, "NOT AUDITED"),
        (BROKEN, 0, "could not ask: nobody answers"),
    ],
)
def test_the_audit_fails_on_an_advisory_and_says_what_it_did_not_look_at(
    tmp_path: Path, source: str, code: int, said: str
):
    (tmp_path / "pip_audit").mkdir()
    (tmp_path / "pip_audit" / "__init__.py").touch()
    (tmp_path / "pip_audit" / "__main__.py").write_text(source)
    ran = subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (ran.returncode, ran.stderr) == (code, "")
    assert said in ran.stdout
    assert ran.stdout.count(" packages audited\n") == LOCKS
