"""Who may come in? A staff session in a cookie, a form token against cross-site requests, and headers on every page."""

import hmac
from typing import Any
from urllib.parse import quote, urlsplit

import falcon
import orjson
from falcon import Request, Response

from api import problems
from api.panel import pages, passwords
from domain.ledger import Ledger
from projections import staff
from projections.access_log import Looker
from projections.staff import Staff

COOKIE = "panel_session"
HOME = "/panel"
MOST_FORM_BYTES = 65_536


class Refused(Exception):
    """The panel says no, in words for the person in front of it."""

    def __init__(self, status: str, title: str, text: str) -> None:
        super().__init__(title)
        self.status, self.title, self.text = status, title, text


class PanelDoor:
    """Lets the staff in to resources that name a `staff_scope`; turns problems into pages below /panel."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def process_resource(self, req: Request, resp: Response, resource: object, _params: object) -> None:
        """Find out who is signed in, and whether the form is the session's own."""
        scope: str | None = getattr(resource, "staff_scope", None)
        if scope is None:
            return
        member = self._signed_in(req)
        if member is None:
            self._send_to_sign_in(req, resp)
            return
        req.context.clinic = self._ledger.current_organization(member.organization_id)
        req.context.staff = member
        if not member.may(scope):
            raise not_allowed()
        if req.method not in ("GET", "HEAD"):
            req.context.form = read_form(req)
            check_form(req.context.form, req.context.form_token)

    def _signed_in(self, req: Request) -> Staff | None:
        token = req.get_cookie_values(COOKIE)
        if not token:
            return None
        known_by = passwords.token_hash(token[0])
        with self._ledger.recorder.reading() as cursor:
            found = staff.find_session(cursor, known_by)
        if found is None:
            return None
        member, is_due = found
        if is_due:
            with self._ledger.recorder.reading(member.organization_id) as cursor:
                staff.note_session(cursor, known_by)
        req.context.session_hash = known_by
        req.context.came_by_link = token[0].startswith(passwords.BY_LINK)
        req.context.form_token = passwords.form_token(token[0])
        return member

    def _send_to_sign_in(self, req: Request, resp: Response) -> None:
        is_part = req.get_header("HX-Request") == "true"
        here = req.relative_uri if req.method == "GET" else HOME
        if is_part and (shown := urlsplit(req.get_header("HX-Current-URL") or "")).path:
            here = f"{shown.path}?{shown.query}" if shown.query else shown.path  # the page, not the part of it
        location = f"/panel/sign-in?next={quote(here, safe='')}"
        if is_part:  # a redirect would put the sign-in page into a corner of this one
            resp.set_header("HX-Redirect", location)
            resp.complete = True
            return
        raise falcon.HTTPSeeOther(location)

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        """Set the headers of a page; show a problem as one."""
        if not (req.path == HOME or req.path.startswith(f"{HOME}/")):
            return
        if resp.content_type == problems.MEDIA_PROBLEM_JSON and resp.data is not None:
            problem = orjson.loads(resp.data)
            resp.data = None
            pages.page(req, resp, "problem.html", title=problem["title"], text=problem["detail"])
        resp.set_header("Content-Security-Policy", pages.CONTENT_SECURITY_POLICY)
        if resp.get_header("Cache-Control") is None:
            resp.set_header("Cache-Control", "no-store")


def answer_refused(req: Request, resp: Response, refused: Refused, _params: object) -> None:
    """Show why the panel says no."""
    resp.status = refused.status
    pages.page(req, resp, "problem.html", title=refused.title, text=refused.text)


def not_allowed() -> Refused:
    """Return the refusal of what the role does not allow."""
    return Refused(
        falcon.HTTP_403,
        "Your role does not allow this",
        "Ask whoever looks after staff accounts at your clinic if you need it.",
    )


def not_in_history() -> Refused:
    """Return the refusal of an event, a request or a field that the patient's history does not have."""
    return Refused(falcon.HTTP_404, "Not in the history", "The history of this patient has nothing of that kind.")


def read_form(req: Request) -> dict[str, str]:
    """Return the fields of a form; of one sent twice the last counts. TooManySlowBodies, NoRoomForBodies."""
    if (req.content_length or 0) > MOST_FORM_BYTES:
        raise Refused(falcon.HTTP_413, "The form is too large", "Send less text.")
    member: Staff | None = req.context.get("staff")
    with req.context.limits.reading(None if member is None else member.organization_id):
        sent: Any = req.get_media(default_when_empty={})
    if not isinstance(sent, dict):
        raise _unreadable()
    form = {str(name): str(value[-1] if isinstance(value, list) else value) for name, value in sent.items()}
    if any("\0" in value for value in form.values()):  # PostgreSQL has no text with NUL
        raise _unreadable()
    return form


def _unreadable() -> Refused:
    return Refused(falcon.HTTP_400, "The form cannot be read", "Go back and try again.")


def check_form(form: dict[str, str], token: str) -> None:
    """Refuse a form that another site may have made up."""
    if not hmac.compare_digest(form.get("form_token", "").encode(), token.encode()):
        raise Refused(falcon.HTTP_403, "The form has expired", "Go back, reload the page and try again.")


def looker(req: Request) -> Looker:
    """Return who looks, as the access log tells it."""
    member: Staff = req.context.staff
    return Looker(member.organization_id, member.actor, member.name, req.context.request_id, req.remote_addr)
