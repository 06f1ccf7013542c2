"""May every key be logged that our code logs?"""

import ast
from pathlib import Path

from api import logs

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "log", "tell"}


def test_every_key_that_is_logged_is_listed():
    """One that is not would be left out without a word."""
    calls = [
        node
        for package in ("projections", "api")
        for path in (ROOT / package).rglob("*.py")
        if "structlog.get_logger()" in (text := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in LEVELS
    ]
    logged = {each.arg for call in calls for each in call.keywords if each.arg is not None}
    assert logged >= {"follower", "position", "route"}
    assert not logged - set(logs.KEYS)
