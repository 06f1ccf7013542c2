"""What comes back for HEAD? What GET would bring, without the body: so says RFC 9110, 9.3.2."""

from falcon import Request, Response


class Heads:
    """Lets a HEAD be a GET for everything within: routes, scopes, counts and the record of who read what.

    The framework leaves out the body of what is a HEAD in the end, and says how long it would be.
    """

    def process_request(self, req: Request, _resp: Response) -> None:
        """Take a HEAD for a GET."""
        req.context.is_head = req.method == "HEAD"
        if req.context.is_head:
            req.method = "GET"

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        """Make it a HEAD again; where GET is allowed, say that HEAD is."""
        if req.context.is_head:
            req.method = "HEAD"
        allowed = (resp.get_header("Allow") or "").split(", ")
        if "GET" in allowed:
            resp.set_header("Allow", ", ".join(sorted({*allowed, "HEAD"})))
