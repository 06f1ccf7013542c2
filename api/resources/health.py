"""`GET /livez`: is this process there?"""

from typing import ClassVar

from falcon import MEDIA_JSON, Request, Response

from api.answers import Health
from api.operations import Operation, Resource


class Live(Resource):
    """Answers without asking the database: whoever does not answer this is to be started anew."""

    operations: ClassVar = {"GET": Operation(id="isAlive", answer=Health)}

    def on_get(self, _req: Request, resp: Response) -> None:
        """Say that the process lives."""
        resp.content_type = MEDIA_JSON
        resp.data = b'{"status":"alive"}'
