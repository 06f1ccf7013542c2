"""Does the client hold this answer already? ETags: the version where the answer has one, elsewhere of the content."""

from hashlib import blake2b

from falcon import HTTP_200, HTTP_304, Request, Response

from api.operations import Resource


def is_held(req: Request, etag: str) -> bool:
    """Return whether If-None-Match names this ETag; weak ones count as equal (RFC 9110, 13.1.2)."""
    held = [tag.strip().removeprefix("W/") for tag in (req.get_header("If-None-Match") or "").split(",")]
    return "*" in held or etag.removeprefix("W/") in held


class Etags:
    """Answers of resources that promise an ETag get one, and 304 where the client holds it."""

    def process_response(self, req: Request, resp: Response, resource: object, succeeded: bool) -> None:
        """Add the ETag and compare it."""
        operation = resource.operations.get(req.method) if isinstance(resource, Resource) else None
        if operation is None or not operation.has_etag or not succeeded or resp.status != HTTP_200:
            return
        etag = resp.get_header("ETag") or f'W/"{blake2b(resp.data or b"", digest_size=12).hexdigest()}"'
        resp.set_header("ETag", etag)
        if is_held(req, etag):
            resp.status, resp.data = HTTP_304, None
            resp.delete_header("Content-Type")
