"""What staff type in to get in."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import audit, throttling
from accounts.models import User
from accounts.throttling import TooManyAttempts
from todoproject.http import client_address


class LoginForm(AuthenticationForm):
    """E-mail and password; attempts are counted before anything is looked at, those on unknown e-mails, too."""

    def clean(self) -> dict[str, Any]:
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not email or not password or self.request is None:
            return self.cleaned_data
        count(self.request, throttling.LOGIN, email)
        user = authenticate(self.request, username=email, password=password)
        if not isinstance(user, User) or not user.is_staff:  # one answer for all: it tells nobody which it was
            audit.record_failed_sign_in(self.request, email)
            raise self.get_invalid_login_error()
        self.user_cache = user
        throttling.give_back_in_admin(throttling.LOGIN, email, client_address.of(self.request))
        return self.cleaned_data


class CodeForm(forms.Form):
    """Six digits from an app, or a recovery code."""

    code = forms.CharField(
        max_length=20,
        label="Code",
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True, "spellcheck": "false"}
        ),
    )


def count(request: Any, kind: str, subject: str) -> None:
    """Count an attempt; raise ValidationError where there were too many."""
    try:
        throttling.take_in_admin(kind, subject, client_address.of(request))
    except TooManyAttempts as refusal:
        minutes = max(1, round(refusal.wait / 60))
        text = f"Too many attempts. Try again in {minutes} minute{'' if minutes == 1 else 's'}."
        raise ValidationError(text, code="attempts") from None
