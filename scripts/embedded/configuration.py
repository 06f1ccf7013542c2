"""How is the embedded PostgreSQL set up?

It is reached over a Unix socket only, by the system user that runs the ledger (peer authentication): there
is no password that could leak, and no port that could be taken. Its log tells what the server does, never
what a statement said: neither text nor parameters of statements, nor the rows that a constraint refused.
"""

from collections.abc import Mapping
from pathlib import Path

from scripts.embedded.folder import Folder

SETTINGS = {
    "unix_socket_permissions": "0700",
    "listen_addresses": "",
    "port": "5432",  # names the socket; nothing listens on the network
    "max_connections": "100",
    "max_locks_per_transaction": "256",  # an upsert takes one advisory lock for each match key, a list many
    "shared_buffers": "256MB",
    "huge_pages": "off",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "min_wal_size": "1GB",  # segments are used again: a COMMIT that has to make one takes 50 ms
    "wal_compression": "off",  # pglz costs an upsert up to 0.3 ms where the data is larger than the cache
    "random_page_cost": "1.1",
    "jit": "off",  # statements here are short
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "datestyle": "ISO, YMD",
    "log_line_prefix": "%m [%p] ",
    "log_min_messages": "log",  # above ERROR: an error's text may quote the value it refuses
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",  # no DETAIL: it quotes rows, and the statement of a crashed process
    "log_statement": "none",
    "log_duration": "off",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_lock_waits": "off",
    "log_temp_files": "-1",
    "log_connections": "",
    "log_checkpoints": "off",
}

FOR_TESTS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}
"""Faster, and lost with the machine: for databases that live as long as a test run."""


def write(folder: Folder, users: set[str], overrides: Mapping[str, str]) -> None:
    """Write the three configuration files into the folder; `users` are the system users that may connect."""
    settings = {
        **SETTINGS,
        **overrides,
        "data_directory": str(folder.inside(folder.data)),
        "hba_file": str(folder.seen / "pg_hba.conf"),
        "ident_file": str(folder.seen / "pg_ident.conf"),
        "unix_socket_directories": '"' + str(folder.inside(folder.sockets)).replace('"', '""') + '"',
    }
    lines = [f"{name} = '{_quoted(value)}'\n" for name, value in settings.items()]
    _replace(folder.root / "postgresql.conf", "# Written at every start.\n" + "".join(lines))
    _replace(folder.root / "pg_hba.conf", "local all all peer map=ledger\n")
    _replace(folder.root / "pg_ident.conf", "".join(f'ledger "{user}" all\n' for user in sorted(users)))


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.chmod(0o644)  # read by the server's user; holds no secret
    new.replace(path)
