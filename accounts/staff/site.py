"""The admin's door: password, then the second factor; who needs one and has none sets it up first."""

import io
import logging
import time
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, login, update_session_auth_hash
from django.contrib.auth.views import LoginView
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from unfold.sites import UnfoldAdminSite

from accounts import audit, mails, throttling
from accounts.models import SecondFactor, User
from accounts.staff import own_account, second_factor, session_limits
from accounts.staff.forms import CodeForm, LoginForm, count
from todoproject.http import client_address
from todoproject.mail.outbox import send_now

logger = logging.getLogger("todoproject.admin")

_PENDING, _SECRET, _NEXT = "second_factor_user", "second_factor_secret", "second_factor_next"
_CODE_SECONDS = 300  # between the password and the code
_BACKEND = "accounts.staff.backend.StaffBackend"
_guarded = [never_cache, csrf_protect]


class StaffLogin(LoginView):
    """The page for e-mail and password, whose success may only lead to the next one."""

    def form_valid(self, form: Any) -> HttpResponse:
        user: User = form.get_user()
        if not SecondFactor.objects.filter(user=user).exists():
            sign_in(self.request, user, factor="none")
            return HttpResponseRedirect(self.get_success_url())
        self.request.session.cycle_key()
        # Bound to the password: where it is changed meanwhile, the first step has to be taken again.
        self.request.session[_PENDING] = [str(user.pk), user.get_session_auth_hash(), int(time.time())]
        self.request.session[_NEXT] = self.get_success_url()
        return HttpResponseRedirect(reverse("admin:second_factor"))


class StaffSite(UnfoldAdminSite):
    """Unfold's site with throttled login, second factor and an audit of who comes and goes."""

    login_form = LoginForm

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and not self._must_set_up(request)

    def extra_urls(self) -> list[URLPattern]:
        """Add the pages of the second factor; they check for themselves who may see them."""
        return [
            path("r/<path:rest>", _nowhere),  # Django's "view on site" takes any number and any text: a 500
            path("second-factor/", self.enter_code, name="second_factor"),
            path("account/", self.admin_view(self.account), name="account"),
            path("second-factor/set-up/", self.set_up, name="second_factor_set_up"),
        ]

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ask for e-mail and password."""
        if super().has_permission(request):
            if self._must_set_up(request):
                return HttpResponseRedirect(reverse("admin:second_factor_set_up"))
            if request.method == "GET":
                return HttpResponseRedirect(reverse("admin:index"))
        context = {
            **self.each_context(request),
            "title": "Log in",
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
            **(extra_context or {}),
        }
        if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
            context[REDIRECT_FIELD_NAME] = reverse("admin:index")
        request.current_app = self.name
        view = StaffLogin.as_view(
            extra_context=context,
            authentication_form=self.login_form,
            template_name="admin/login.html",
            next_page=reverse("admin:index"),
        )
        response: HttpResponse = view(request)  # type: ignore[assignment]  # of a template: no stream
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Sign out, and record it."""
        with transaction.atomic():
            if request.user.is_authenticated:
                audit.record(request, audit.SIGN_OUT, request.user)
            return super().logout(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Let staff change their own password, and record that they did.

        Tries are counted with the API's, in no transaction: a stolen session must not find out the password.
        """
        if request.method == "POST" and request.user.is_authenticated:
            try:
                count(request, throttling.PASSWORD, str(request.user.pk))
            except ValidationError as refusal:
                messages.error(request, refusal.message)
                return HttpResponseRedirect(reverse("admin:password_change"))
        with transaction.atomic():
            if isinstance(request.user, User):
                request.user.sets_own_password = True
            response = super().password_change(request, extra_context)
            if request.method == "POST" and response.status_code == 302 and isinstance(request.user, User):
                self._stay_signed_in(request, request.user)
            return response

    def _stay_signed_in(self, request: HttpRequest, user: User) -> None:
        """Keep the session at hand, which saving the password has ended with all others, and tell of the change."""
        update_session_auth_hash(request, user)
        audit.record(request, "change password", user, facts={"tokens": user.tokens_ended})
        transaction.on_commit(lambda: send_now(mails.password_changed(user.email, str(user.pk))))

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """Offer people and groups to choose from; who asks for another column is refused, and recorded."""
        if "\0" in request.GET.get("term", ""):
            raise BadRequest
        try:
            return super().autocomplete_view(request)
        except PermissionDenied:
            with transaction.atomic():
                audit.record(request, audit.REFUSED_FILTER, facts={"list": "autocomplete"})
            raise

    @method_decorator(_guarded)
    def enter_code(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code, and sign in whoever has one."""
        user = _pending_user(request)
        if user is None:
            return HttpResponseRedirect(reverse("admin:login"))
        form = CodeForm(request.POST or None)
        if form.is_valid() and (kind := _accepted(request, user, form)):
            address = request.session.pop(_NEXT, reverse("admin:index"))
            sign_in(request, user, factor=kind)
            return HttpResponseRedirect(address)
        return self._page(request, "admin/second_factor/enter.html", "Second factor", form=form)

    @method_decorator(_guarded)
    def set_up(self, request: HttpRequest) -> HttpResponse:
        """Show the QR code of a new secret, and keep the secret once a code proves that the app has it."""
        user = request.user
        if not isinstance(user, User) or not (user.is_active and user.is_staff):
            return HttpResponseRedirect(reverse("admin:login"))
        is_replacing = own_account.is_replacing(request)
        if SecondFactor.objects.filter(user=user).exists() and not is_replacing:
            return self._page(request, "admin/second_factor/done.html", "Second factor", codes=None)
        secret = second_factor.unseal(request.session.get(_SECRET, "")) or second_factor.new_secret()
        request.session[_SECRET] = second_factor.seal(secret)
        form = CodeForm(request.POST or None)
        if form.is_valid() and (codes := _proved(request, user, secret, form)):
            return self._page(request, "admin/second_factor/done.html", "Recovery codes", codes=codes)
        context = {"form": form, "qr": _qr(secret, user), "spelled": second_factor.spelled(secret)}
        return self._page(request, "admin/second_factor/set_up.html", "Set up the second factor", **context)

    def account(self, request: HttpRequest) -> HttpResponse:
        """Let staff look after their own account; what needs a code asks for one."""
        user: User = request.user  # type: ignore[assignment]  # admin_view lets nobody else in
        form = CodeForm(request.POST if request.POST.get("do") in ("codes", "replace", "off") else None)
        if request.method == "POST" and request.POST.get("do") == "sessions":
            return own_account.end_sessions(request, user)
        if request.method == "POST" and request.POST.get("do") == "end":
            return own_account.end_session(request, user)
        if form.is_valid() and _accepted(request, user, form):
            match request.POST["do"]:
                case "codes":
                    codes = own_account.new_codes(request, user)
                    return self._page(request, "admin/second_factor/done.html", "Recovery codes", codes=codes)
                case "replace":
                    return own_account.begin_replacing(request)
                case "off":
                    return own_account.turn_off(request, user)
        return self._page(request, "admin/account.html", "My account", **own_account.context(request, user, form))

    def _must_set_up(self, request: HttpRequest) -> bool:
        return settings.ADMIN_SECOND_FACTOR == "required" and getattr(request.user, "second_factor", None) is None

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        return TemplateResponse(request, template, {**self.each_context(request), "title": title, **context})


def _nowhere(request: HttpRequest, rest: str) -> HttpResponse:
    raise Http404


def sign_in(request: HttpRequest, user: User, *, factor: str) -> None:
    """Begin a session for somebody who has proved who they are, and record it."""
    with transaction.atomic():
        login(request, user, _BACKEND)
        session_limits.begin(request.session, audit.origin(request).address or "")
        audit.record(request, audit.SIGN_IN, user, facts={"factor": factor})


def _pending_user(request: HttpRequest) -> User | None:
    """Return who has given the right password a moment ago."""
    pk, binding, since = request.session.get(_PENDING, (None, "", 0))
    if pk is None or time.time() - since > _CODE_SECONDS:
        return None
    user = User.objects.filter(pk=pk, is_active=True, is_staff=True).first()
    return user if user is not None and user.get_session_auth_hash() == binding else None


def _accepted(request: HttpRequest, user: User, form: CodeForm) -> str | None:
    try:
        count(request, throttling.SECOND_FACTOR, str(user.pk))
    except ValidationError as error:
        form.add_error(None, error)
        return None
    tries = second_factor.count_try(user)
    if tries is None:
        form.add_error(None, "Locked after too many wrong codes. A new password opens it, or an administrator.")
        return None
    kind = second_factor.accept(user, form.cleaned_data["code"])
    if kind is not None:
        second_factor.unlock(user)
        throttling.give_back_in_admin(throttling.SECOND_FACTOR, str(user.pk), client_address.of(request))
        return kind
    audit.record_failed_sign_in(request, user.email)
    if second_factor.is_readable(user):
        form.add_error("code", "This code is wrong, or was used already.")
    else:
        logger.error("second factor unreadable", extra={"reason": "SECRET_KEY is another one, see reencrypt"})
        form.add_error(None, "This server can no longer read your second factor. An administrator has to reset it.")
    if tries >= second_factor.MOST_FAILURES:
        _tell_of_lock(request, user)
    return None


def _tell_of_lock(request: HttpRequest, user: User) -> None:
    with transaction.atomic():
        audit.record(request, "lock second factor", user)
    send_now(mails.second_factor_locked(user.email, str(user.pk)))


def _proved(request: HttpRequest, user: User, secret: bytes, form: CodeForm) -> Any:
    step = second_factor.matching_step(secret, "".join(form.cleaned_data["code"].split()))
    if step is None:
        form.add_error("code", "This is not the code that the app shows now.")
        return None
    with transaction.atomic():
        if own_account.is_replacing(request):
            SecondFactor.objects.filter(user=user).delete()
        codes = second_factor.set_up(user, secret, step)
        if codes is None:
            form.add_error("code", "This account has been given a second factor meanwhile, in another window.")
            return None
        audit.record(request, "set up second factor", user)
    del request.session[_SECRET]
    own_account.has_replaced(request)
    user.refresh_from_db()
    update_session_auth_hash(request, user)
    return codes


def _qr(secret: bytes, user: User) -> str:
    import segno  # here: few people ever set up a second factor, and every worker would carry it

    picture = io.BytesIO()
    segno.make(second_factor.uri(secret, user.email), micro=False).save(
        picture, kind="svg", xmldecl=False, svgns=True, scale=5, dark="#000", light="#fff", title="QR code"
    )
    return mark_safe(picture.getvalue().decode())  # noqa: S308 -- made by segno of our own URI
