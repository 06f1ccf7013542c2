"""Where does the data lie? `LEDGER_DATA_DIR`, the user's XDG data folder, or as root `/var/lib/patient-ledger`."""

import os
from pathlib import Path

from api.settings import Settings


def data_folder(settings: Settings) -> Path:
    """Return the folder of the embedded PostgreSQL and of demo.json."""
    if settings.data_dir is not None:
        return settings.data_dir.expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/patient-ledger")
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "patient-ledger"
