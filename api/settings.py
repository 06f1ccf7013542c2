"""Which settings are there? `LEDGER_*` variables; this is the only reader of the environment."""

import os
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.errors import LedgerError

PREFIX = "LEDGER_"


class UnknownSetting(LedgerError):
    """There is no such LEDGER_* setting; the README lists them."""


class BadSetting(LedgerError):
    """A LEDGER_* setting has a value that cannot be used."""


class Settings(BaseSettings):
    """Every setting with its default."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    database_url: str | None = Field(None, description="Any PostgreSQL ≥ 15; without it the embedded one is used.")
    data_dir: Path | None = Field(None, description="Where the embedded PostgreSQL and demo.json live.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(2, ge=1, le=64, description="Worker processes.")
    requests_per_second: int = Field(1000, ge=1, description="Requests a second that a key may send to each worker.")
    max_body_bytes: int = Field(1 << 20, ge=1024, description="Largest body of a request.")
    trusted_proxies: str = Field("127.0.0.1,::1", description="Addresses whose X-Forwarded-For is believed, by commas.")
    max_batch_bytes: int = Field(64 << 20, ge=1024, description="Largest body of a batch; each line is as a body.")
    drain_seconds: int = Field(0, ge=0, le=300, description="How long /readyz says 503 before a stop.")
    traces_url: str | None = Field(None, description="OTLP/HTTP endpoint that gets traces; without it there are none.")
    run_dir: Path | None = Field(None, description="What the workers share while they run; `serve` sets it.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="What is logged.")

    @field_validator("database_url")
    @classmethod
    def _can_be_read(cls, url: str | None) -> str | None:
        """Refuse what libpq cannot read here: its own words repeat parts of it, the password perhaps."""
        try:
            conninfo_to_dict(url or "")
        except ProgrammingError:
            raise ValueError("no connection string") from None
        return url


def read_settings() -> Settings:
    """Return the settings of this process. UnknownSetting and BadSetting name the variable, never its value."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise UnknownSetting(names=unknown)
    try:
        return Settings()
    except ValidationError as error:
        names = [PREFIX + str(each["loc"][0]).upper() for each in error.errors()]
        raise BadSetting(names=names) from None
