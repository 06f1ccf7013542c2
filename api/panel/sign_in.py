"""How does somebody of the staff sign in? With login and password, or by a one-time link from the command line."""

from typing import Any

import falcon
from falcon import Request, Response

from api.panel import passwords
from api.panel.door import COOKIE, HOME, Refused, check_form, looker, read_form
from api.panel.pages import page
from domain.ledger import Ledger
from projections import access_log, staff
from projections.access_log import Looker

FORM_COOKIE = "panel_form"
"""Ties the sign-in form to this browser before there is a session."""


class SignIn:
    """`/panel/sign-in`. After five wrong tries a login rests; nobody is told whether a login exists."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response) -> None:
        """Show the form."""
        _show(req, resp, "sign_in.html", login="", failed=False, goes_to=_next(req.get_param("next")))

    def on_post(self, req: Request, resp: Response) -> None:
        """Check login and password."""
        form = read_form(req)
        check_form(form, _form_token(req))
        goes_to = _next(form.get("next"))
        found = self._try(req, form.get("login", ""), form.get("password", ""))
        if found is None:
            resp.status = falcon.HTTP_403
            _show(req, resp, "sign_in.html", login=form.get("login", ""), failed=True, goes_to=goes_to)
            return
        _begin(self._ledger, req, resp, *found, how="password")
        raise falcon.HTTPSeeOther(goes_to)

    def _try(self, req: Request, login: str, password: str) -> tuple[str, str] | None:
        with self._ledger.recorder.reading() as cursor:
            found = staff.find_by_login(cursor, login)
        taken = None
        if found is not None:
            with self._ledger.recorder.reading(found[0]) as cursor:
                taken = staff.take_try(cursor, *found)
        name, stored = taken or ("", None)
        if passwords.is_password(password, stored):
            return found
        if found is not None:
            why = "wrong password" if taken else "login rests or is disabled"
            with self._ledger.recorder.reading(found[0]) as cursor:
                access_log.record(cursor, _looker(req, *found, name or login), "sign_in_refused", why=why)
        return None


class OneTimeLink:
    """`/panel/link/{token}`: opening the link shows a button, so that a preview of it does not use it up."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response, token: str) -> None:
        """Show whom the link lets in."""
        with self._ledger.recorder.reading() as cursor:
            found = staff.find_link(cursor, passwords.token_hash(token))
        if found is None:
            raise _used_up()
        _show(req, resp, "link.html", name=found[2])

    def on_post(self, req: Request, resp: Response, token: str) -> None:
        """Use the link up and begin a session."""
        check_form(read_form(req), _form_token(req))
        known_by = passwords.token_hash(token)
        with self._ledger.recorder.reading() as cursor:
            found = staff.find_link(cursor, known_by)
        if found is None:
            raise _used_up()
        with self._ledger.recorder.reading(found[0]) as cursor:
            if not staff.use_link(cursor, known_by):
                raise _used_up()
        _begin(self._ledger, req, resp, found[0], found[1], how="one-time link")
        raise falcon.HTTPSeeOther(HOME)


class SignOut:
    """`POST /panel/sign-out`."""

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_post(self, req: Request, resp: Response) -> None:
        """End the session."""
        member = req.context.staff
        with self._ledger.recorder.reading(member.organization_id) as cursor:
            staff.end_session(cursor, req.context.session_hash)
            access_log.record(cursor, looker(req), "sign_out")
        resp.unset_cookie(COOKIE, path=HOME)
        raise falcon.HTTPSeeOther("/panel/sign-in")


class Password:
    """`/panel/password`: choose a new one; other sessions of the login end.

    The current one is asked for, unless the session began with a one-time link, which is for who has none or forgot it.
    """

    staff_scope = "history:read"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_get(self, req: Request, resp: Response) -> None:
        """Show the form."""
        self._form(req, resp, None)

    def on_post(self, req: Request, resp: Response) -> None:
        """Store the new password and begin a new session."""
        form, member = req.context.form, req.context.staff
        new = form.get("password", "")
        if len(new) < passwords.LEAST:
            return self._form(req, resp, f"A password needs at least {passwords.LEAST} characters.")
        if new != form.get("again", ""):
            return self._form(req, resp, "The two do not agree.")
        if not (req.context.came_by_link or self._knows(req, form.get("current", ""))):
            return self._form(req, resp, "The current password is another one, or there were too many tries.")
        with self._ledger.recorder.reading(member.organization_id) as cursor:
            staff.set_password(cursor, member.organization_id, member.id, passwords.hash_password(new))
        _begin(self._ledger, req, resp, member.organization_id, member.id, how="new password")
        raise falcon.HTTPSeeOther(HOME)

    def _knows(self, req: Request, current: str) -> bool:
        member = req.context.staff
        with self._ledger.recorder.reading(member.organization_id) as cursor:
            taken = staff.take_try(cursor, member.organization_id, member.id)
        return passwords.is_password(current, None if taken is None else taken[1])

    def _form(self, req: Request, resp: Response, trouble: str | None) -> None:
        if trouble is not None:
            resp.status = falcon.HTTP_422
        asks_current = not req.context.came_by_link
        page(req, resp, "password.html", least=passwords.LEAST, trouble=trouble, asks_current=asks_current)


def _begin(ledger: Ledger, req: Request, resp: Response, organization_id: str, staff_id: str, *, how: str) -> None:
    token = passwords.new_token(passwords.BY_LINK if how == "one-time link" else "")
    with ledger.recorder.reading(organization_id) as cursor:
        name = staff.start_session(cursor, organization_id, staff_id, passwords.token_hash(token))
        if name is None:
            raise _used_up()
        access_log.record(cursor, _looker(req, organization_id, staff_id, name), "sign_in", how=how)
    _set_cookie(req, resp, COOKIE, token)


def _set_cookie(req: Request, resp: Response, name: str, token: str) -> None:
    secure = req.forwarded_scheme == "https"
    resp.set_cookie(name, token, secure=secure, path=HOME, http_only=True, same_site="Lax")


def _looker(req: Request, organization_id: str, staff_id: str, name: str) -> Looker:
    return Looker(organization_id, f"staff:{staff_id}", name, req.context.request_id, req.remote_addr)


def _show(req: Request, resp: Response, template: str, **values: Any) -> None:
    """Show a form for somebody who is not signed in yet."""
    held = req.get_cookie_values(FORM_COOKIE)
    token = held[0] if held else passwords.new_token()
    _set_cookie(req, resp, FORM_COOKIE, token)
    req.context.form_token = passwords.form_token(token)
    page(req, resp, template, **values)


def _form_token(req: Request) -> str:
    held = req.get_cookie_values(FORM_COOKIE)
    if not held:
        raise Refused(falcon.HTTP_403, "Cookies are needed", "Allow cookies for this site, reload and try again.")
    return passwords.form_token(held[0])


def _next(wanted: str | None) -> str:
    """Return where to go after signing in: a page of the panel, whatever was asked."""
    is_ours = wanted is not None and (wanted == HOME or wanted.startswith((f"{HOME}/", f"{HOME}?")))
    return wanted if is_ours and wanted is not None and "\\" not in wanted else HOME


def _used_up() -> Refused:
    text = "A link works once, for a day. Ask for a new one: ./scripts/ledger staff link LOGIN"
    return Refused(falcon.HTTP_404, "This link cannot be used", text)
