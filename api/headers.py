"""What does every answer tell a browser? To show nothing of it but what it is, and nowhere else."""

from collections.abc import Mapping

from falcon import Request, Response

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The content security policy of what is no page; pages bring their own."""

HTTPS_ONLY = "max-age=31536000"


class SecurityHeaders:
    """Adds what the answer does not say itself."""

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        """Add the headers."""
        resp.set_headers(HEADERS)
        if resp.get_header("Content-Security-Policy") is None:
            resp.set_header("Content-Security-Policy", NOTHING)
        if req.forwarded_scheme == "https":
            resp.set_header("Strict-Transport-Security", HTTPS_ONLY)
