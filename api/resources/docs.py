"""`/docs`, `/openapi.json` and `/problems`: how does a newcomer find out what this service does?"""

from hashlib import sha256
from html import escape
from pathlib import Path
from typing import ClassVar, NamedTuple

from falcon import HTTP_304, HTTPNotFound, Request, Response

from api import openapi, problems
from api.etags import is_held
from api.operations import Resource

FOLDER = Path(__file__).parent.parent / "docs"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing comes from another host, and nothing goes there."""


class Page(NamedTuple):
    """One file, as it is sent."""

    media_type: str
    content: bytes
    etag: str

    def answer(self, req: Request, resp: Response) -> None:
        """Send it, unless the client holds it already."""
        resp.set_header("ETag", self.etag)
        resp.set_header("Content-Security-Policy", POLICY)
        resp.set_header("Referrer-Policy", "no-referrer")
        resp.set_header("Cache-Control", "no-cache")
        if is_held(req, self.etag):
            resp.status = HTTP_304
            return
        resp.content_type = self.media_type
        resp.data = self.content


def page(media_type: str, content: bytes) -> Page:
    """Return a page with the ETag of its content."""
    return Page(media_type, content, f'"{sha256(content).hexdigest()[:32]}"')


HTML, CSS, JS, JSON = (
    "text/html; charset=utf-8",
    "text/css; charset=utf-8",
    "text/javascript; charset=utf-8",
    "application/json",
)

FILES = {
    "index.html": HTML,
    "page.css": CSS,
    "page.js": JS,
    "swagger-ui.css": CSS,
    "swagger-ui-bundle.js": JS,
}


class Docs(Resource):
    """The page with a form to try each call, and its files."""

    pages: ClassVar = {name: page(media_type, (FOLDER / name).read_bytes()) for name, media_type in FILES.items()}

    def on_get(self, req: Request, resp: Response, name: str = "index.html") -> None:
        """Send one file."""
        if name not in self.pages:
            raise HTTPNotFound
        self.pages[name].answer(req, resp)


class OpenApi(Resource):
    """The committed OpenAPI document."""

    page = page(JSON, openapi.FILE.read_bytes())

    def on_get(self, req: Request, resp: Response) -> None:
        """Send it."""
        self.page.answer(req, resp)


class Problems(Resource):
    """A page for each `type` of a problem, and one that lists them all."""

    def on_get(self, req: Request, resp: Response, slug: str | None = None) -> None:
        """Explain an error."""
        catalogue = problems.catalogue()
        if slug is None:
            _html("Errors", _list(catalogue)).answer(req, resp)
        elif slug in catalogue:
            problem, detail = catalogue[slug]
            _html(problem.title, _explanation(slug, problem, detail)).answer(req, resp)
        else:
            raise HTTPNotFound


def _list(catalogue: dict[str, tuple[problems.Problem, str]]) -> str:
    rows = "".join(
        f'<tr><td><a href="/problems/{slug}"><code>{slug}</code></a></td><td>{problem.status.value}</td>'
        f"<td>{escape(detail)}</td></tr>"
        for slug, (problem, detail) in catalogue.items()
    )
    return f"<table><thead><tr><th>type</th><th>Status</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table>"


def _explanation(slug: str, problem: problems.Problem, detail: str) -> str:
    again = "" if problem.retry_after is None else "<dt>Again?</dt><dd>Yes, after the time in Retry-After.</dd>"
    return (
        f"<dl><dt>type</dt><dd><code>/problems/{slug}</code></dd>"
        f"<dt>Status</dt><dd>{problem.status.value} {escape(problem.status.phrase)}</dd>"
        f"<dt>Meaning</dt><dd>{escape(detail)}</dd>"
        f"<dt>What to do</dt><dd>{escape(problem.remedy)}</dd>{again}</dl>"
        '<p><a href="/problems">All errors</a> · <a href="/docs">Try the API</a></p>'
    )


def _html(title: str, content: str) -> Page:
    return page(
        HTML,
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · Patient ledger</title><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="/docs/page.css"></head>'
        f'<body><main class="problem"><h1>{escape(title)}</h1>{content}</main></body></html>'.encode(),
    )
