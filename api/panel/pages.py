"""How does a page get to the browser? Templates with autoescape, one content security policy, files by their hash."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import falcon
from falcon import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from projections.wording import capital, label

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing inline, nothing from elsewhere, no frames."""


class Static:
    """`GET /panel/static/{name}`: style and script, read once; their URLs carry a hash, so browsers keep them."""

    def __init__(self) -> None:
        found = [path for path in (_HERE / "static").iterdir() if path.suffix in _TYPES]
        self._files = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in found}
        self._hashes = {name: sha256(content).hexdigest()[:16] for name, (content, _) in self._files.items()}

    def url(self, name: str) -> str:
        """Return where this file is to be had."""
        return f"/panel/static/{name}?{self._hashes[name]}"

    def on_get(self, _req: Request, resp: Response, name: str) -> None:
        """Answer one file."""
        if name not in self._files:
            raise falcon.HTTPNotFound
        resp.data, resp.content_type = self._files[name]
        resp.set_header("Cache-Control", "public, max-age=31536000, immutable")


STATIC = Static()

_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_TEMPLATES.globals["static"] = STATIC.url
_TEMPLATES.filters["label"] = label
_TEMPLATES.filters["capital"] = capital


def page(req: Request, resp: Response, template: str, **values: Any) -> None:
    """Answer a page; `staff` and `form_token` of the request are at hand in every template."""
    context = req.context
    resp.content_type = falcon.MEDIA_HTML
    resp.text = _TEMPLATES.get_template(template).render(
        staff=getattr(context, "staff", None),
        clinic=getattr(context, "clinic", None),
        form_token=getattr(context, "form_token", ""),
        path=req.relative_uri,
        **values,
    )


def is_fragment(req: Request, target: str) -> bool:
    """Return whether the script on the page asks for this part of it alone."""
    return req.get_header("HX-Request") == "true" and req.get_header("HX-Target") == target
