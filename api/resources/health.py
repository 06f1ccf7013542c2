"""`GET /livez`: is this process there?"""

from falcon import MEDIA_JSON, Request, Response


class Live:
    """Answers without asking the database."""

    def on_get(self, _req: Request, resp: Response) -> None:
        """Say that the process lives."""
        resp.content_type = MEDIA_JSON
        resp.data = b'{"status":"alive"}'
