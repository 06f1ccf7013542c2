"""Do imports point inwards: scripts → api → projections → domain?"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "domain": {"domain"},
    "projections": {"domain", "projections"},
    "api": {"domain", "projections", "api"},
    "scripts": {"domain", "projections", "api", "scripts"},
}
OURS = {*MAY_IMPORT, "tests"}

IMPURE = {
    "asyncio", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select",
    "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "time", "urllib", "zoneinfo",
    "psycopg", "psycopg_pool", "falcon", "granian", "httpx", "structlog", "prometheus_client", "typer", "jinja2",
}  # fmt: skip
"""What reads a clock, the environment or a file, makes random numbers, or talks to somebody."""

WORD_LISTS = {"domain/names.py", "domain/likeness.py", "domain/placeholders.py", "domain/known_as.py"}
"""These read word lists that lie beside them, once, when they are imported: a part of the program."""

CLOCKS = {("datetime", "now"), ("datetime", "today"), ("datetime", "utcnow"), ("date", "today"), ("uuid", "uuid1")}
"""Calls that read a clock or make something random, out of modules that are harmless otherwise."""
RANDOM = {"uuid1", "uuid4", "uuid7", "urandom", "getenv", "environ"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_inwards(package: str):
    outwards = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.partition(".")[0] in OURS - MAY_IMPORT[package]
    }
    assert modules(package)
    assert not outwards


def test_nothing_imports_the_tests_and_only_scripts_import_scripts():
    for package in MAY_IMPORT:
        tops = {name.partition(".")[0] for path in modules(package) for name in imports(path)}
        assert "tests" not in tops
        assert package == "scripts" or "scripts" not in tops


@pytest.mark.parametrize("path", modules("domain"), ids=named(modules("domain")))
def test_the_domain_is_pure(path: Path):
    tops = {name.partition(".")[0] for name in imports(path)}
    allowed = {"pathlib"} if str(path.relative_to(ROOT)) in WORD_LISTS else set()
    assert not tops & (IMPURE - allowed)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in CLOCKS
        if isinstance(node, ast.Name | ast.Attribute):
            assert (node.id if isinstance(node, ast.Name) else node.attr) not in RANDOM


PROJECTIONS = ("patients", "match_index", "directory", "history", "resource")


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_no_projection_reads_a_clock_or_makes_an_id(projection: str):
    """Replay must not re-date history: time and ids come with the entries."""
    tree = ast.parse((ROOT / "projections" / f"{projection}.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert node.attr not in RANDOM | {"now", "today", "utcnow", "monotonic"}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_only_the_settings_read_the_environment(package: str):
    """Scripts may; and the library reads it, in its `Application`. `api/metrics.py` hands a folder to its library."""
    readers = {
        str(path.relative_to(ROOT))
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert package == "scripts" or readers <= {"api/settings.py", "api/metrics.py"}


def test_every_module_says_which_question_it_answers():
    for package in MAY_IMPORT:
        silent = [path for path in modules(package) if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
        assert not silent


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_names_its_modules_in_reading_order(package: str):
    assert ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text("utf-8")))
