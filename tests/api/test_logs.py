"""May every key be logged that our code logs?"""

import ast
import subprocess
import sys
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


def test_whoever_logs_goes_on_where_no_line_can_be_written():
    program = "from api import logs; logs.set_up('info'); import structlog; structlog.get_logger().info('x'); print(1)"
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert ended.stdout == b"1\n"
