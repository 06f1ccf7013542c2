"""Who answers requests? Granian with its worker processes: started, awaited, stopped; none outlives the other.

`python -m scripts.workers` is granian itself; `Workers` runs it as a child. The environment says where it listens
and which database it uses.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self
from urllib.error import URLError

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from api.app import App, get_app
from api.readiness import DRAINING
from api.settings import Settings, read_settings
from domain.errors import LedgerUnavailable
from scripts.embedded import launch
from scripts.run_folder import make_run_folder, sweep_run_folders

START = 60
"""Seconds until a worker must answer."""

DRAIN = 30
"""Seconds that requests in flight get to finish."""

THREADS = 160
"""Threads of a worker: a transaction's records, as many as may wait for the next ones, and room for those who read."""

METRICS = "metrics"
"""The folder in the run folder where the workers count."""

ENDED = "ended"
"""The file in the run folder that says how the last worker ended, once granian has given up."""


class WorkersEnded(LedgerUnavailable):
    """The workers ended by themselves."""


class Workers:
    """Granian and its workers on this database, answering while the `with` block runs."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        self._settings = settings
        self._database_url = database_url

    def __enter__(self) -> Self:
        sweep_run_folders()
        self._run_dir, self._run_lock = make_run_folder()
        (self._run_dir / METRICS).mkdir()
        self._process = subprocess.Popen(
            launch.child([sys.executable, "-m", "scripts.workers"]),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=[self._run_lock],
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
        )
        try:
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def check(self, seconds: float) -> None:
        """Return after so many seconds; WorkersEnded when granian has ended before."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return
        ended = self._run_dir / ENDED
        if ended.exists():
            raise WorkersEnded(**json.loads(ended.read_text("utf-8")))
        raise WorkersEnded(granian=_how(self._process.returncode))

    def stop(self) -> None:
        """Let requests in flight finish, for DRAIN seconds at most, and end every process.

        Before that /readyz says for the configured time that it is about to happen.
        """
        (self._run_dir / DRAINING).touch()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=self._settings.drain_seconds)
        self._process.terminate()
        try:
            self._process.wait(timeout=DRAIN + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
        self._end_orphans()
        shutil.rmtree(self._run_dir, ignore_errors=True)
        os.close(self._run_lock)

    def _end_orphans(self) -> None:
        """End workers that outlive a granian that was killed: one has been seen to hang in its own stopping."""
        deadline = time.monotonic() + DRAIN
        with suppress(ProcessLookupError):  # nobody of its session is left
            while time.monotonic() < deadline:
                os.killpg(self._process.pid, 0)
                time.sleep(0.05)
            os.killpg(self._process.pid, signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        settings = self._settings
        return {
            **os.environ,
            "LEDGER_DATABASE_URL": self._database_url,
            "LEDGER_HOST": settings.host,
            "LEDGER_PORT": str(settings.port),
            "LEDGER_WORKERS": str(settings.workers),
            "LEDGER_RUN_DIR": str(self._run_dir),
            "PROMETHEUS_MULTIPROC_DIR": str(self._run_dir / METRICS),
        }

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            self.check(0.05)
            try:
                with urllib.request.urlopen(f"{base_url(self._settings)}/livez", timeout=5) as answer:  # noqa: S310 - http
                    json.load(answer)
                    return
            except (URLError, TimeoutError, ConnectionError):
                continue
        raise WorkersEnded(answer=f"none within {START} s")


def base_url(settings: Settings) -> str:
    """Return the URL that reaches the service from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _how(code: int | None) -> str:
    """Return how a process ended, in words; the code is negative for a signal."""
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


class _Granian(Granian):  # type: ignore[misc,valid-type] # chosen when it is imported
    """Granian that leaves a word on how its workers ended, before it forgets them."""

    def _stop_workers(self) -> None:
        run_dir = read_settings().run_dir
        told = {f"worker-{index + 1}": _how(self.wrks[index].inner.exitcode) for index in self.interrupt_children}
        if told and run_dir is not None:
            with suppress(OSError):  # the workers have to be stopped all the same
                (run_dir / ENDED).write_text(json.dumps(told), encoding="utf-8")
        super()._stop_workers()


def load(parent: int) -> App:
    """Return the application, in a worker process, which is told to stop when granian (`parent`) is killed."""
    ctypes.CDLL(None).prctl(launch.PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("granian has ended")
    return get_app()


def _end_at_once() -> None:
    """Let a worker that is still starting end on a signal: granian's own handlers, which it inherits, would wait."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def main() -> None:
    """Be granian, until a signal ends it."""
    settings = read_settings()
    os.register_at_fork(after_in_child=_end_at_once)
    _Granian(
        "api.app:get_app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=THREADS,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN,
        websockets=False,
        log_level=LogLevels.error,
    ).serve(target_loader=partial(load, os.getpid()), wrap_loader=False)


if __name__ == "__main__":
    main()
