"""How is a client told that an operation will go? Headers on every answer of it, months before; none is going today."""

from email.utils import format_datetime

from falcon import Request, Response

from api.operations import Resource, Retirement


def headers(retirement: Retirement) -> dict[str, str]:
    """Return `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and where to read what replaces it."""
    return {
        "Deprecation": f"@{int(retirement.deprecated.timestamp())}",
        "Sunset": format_datetime(retirement.sunset, usegmt=True),
        "Link": f'<{retirement.successor}>; rel="successor-version"',
    }


class Retirements:
    """Tells with every answer of an operation that it is going."""

    def process_resource(self, req: Request, resp: Response, resource: object, _params: object) -> None:
        """Set the headers where the operation is to be retired."""
        operation = resource.operations.get(req.method) if isinstance(resource, Resource) else None
        if operation is not None and operation.retirement is not None:
            resp.set_headers(headers(operation.retirement))
