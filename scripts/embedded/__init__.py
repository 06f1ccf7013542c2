"""How does the ledger bring its own PostgreSQL?

Read in this order: `server` (start, share, stop), `cluster` (from files to a server), `folder` (what lies
where), `access` (who may), `configuration` (how it is set up), `software` (where its programs are),
`processes` and `launch` (which processes are ours, and how they end).
"""

from scripts.embedded.access import ServerUnavailable
from scripts.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "ServerUnavailable"]
