"""How a test calls the offline verifier."""

import json
import sys

import pytest

from scripts import verify_export
from tests.scripts.verify_export.auditor import Document, Verify


@pytest.fixture
def verify(tmp_path, monkeypatch, capsys) -> Verify:
    """Return a call of the verifier: exit code, and all that it printed."""

    def call(document: Document | str, *, kept: str | None = None, arguments: tuple[str, ...] = ()):
        export = tmp_path / "export.json"
        export.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
        if kept is not None:
            (tmp_path / "kept").write_text(kept, "utf-8")
            arguments += ("--kept", str(tmp_path / "kept"))
        monkeypatch.setattr(sys, "argv", ["verify_export.py", str(export), *arguments])
        code = verify_export.main()
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return call
