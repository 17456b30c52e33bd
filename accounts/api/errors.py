"""Which exception of the accounts' gets which answer."""

from django.http import HttpRequest, HttpResponse

from accounts import idempotency
from accounts.passwords import PasswordRefused, TooManyLogins
from accounts.problems import (
    EmailTaken,
    LinkInvalid,
    OutlivesMaker,
    ScopeNotHeld,
    TokenNotFound,
    TokenRotated,
    TooManyCalendars,
    TooManyTokens,
    WrongCredentials,
    WrongPassword,
)
from accounts.queries.stream_tickets import InvalidTicket
from accounts.throttling import TooManyAttempts
from todoproject.http import problems, validation
from todoproject.http.errors import Answers, answer, fixed
from todoproject.http.problems import Problem


def _scope_not_held(request: HttpRequest, error: ScopeNotHeld) -> HttpResponse:
    detail = "A token can only make or rotate tokens whose scopes it holds itself."
    return answer(request, Problem(problems.SCOPE_MISSING, detail, required=error.required, held=error.held))


def _outlives_maker(request: HttpRequest, error: OutlivesMaker) -> HttpResponse:
    detail = "A token makes none that lives longer than itself. Log in for that."
    return answer(request, validation.invalid([{"pointer": "#/expires_at", "code": "expiry", "detail": detail}]))


def _too_many_attempts(request: HttpRequest, error: TooManyAttempts) -> HttpResponse:
    return answer(request, error.policy.refusal(error.wait))


def _password_refused(request: HttpRequest, error: PasswordRefused) -> HttpResponse:
    errors = [{"pointer": f"#/{error.member}", "code": "password", "detail": reason} for reason in error.reasons]
    return answer(request, validation.invalid(errors))


def _replayed(request: HttpRequest, replayed: idempotency.Replayed) -> HttpResponse:
    return replayed.response


ANSWERS: Answers = {
    WrongCredentials: fixed(problems.WRONG_CREDENTIALS, "The e-mail or the password is wrong."),
    TokenNotFound: fixed(problems.NOT_FOUND, problems.not_found().detail),
    TokenRotated: fixed(problems.TOKEN_ROTATED, "The token has a successor already."),
    TooManyTokens: fixed(problems.TOO_MANY_TOKENS, "The account has as many live tokens as it may. Revoke one first."),
    TooManyCalendars: fixed(problems.TOO_MANY_CALENDARS, problems.TOO_MANY_CALENDARS.description),
    LinkInvalid: fixed(problems.INVALID_LINK, "The code is unknown, used or too old."),
    WrongPassword: fixed(problems.WRONG_PASSWORD, "The password is wrong."),
    TooManyLogins: fixed(problems.OVERLOADED, "Too many logins wait already.", Retry_After="2"),
    EmailTaken: fixed(problems.EMAIL_TAKEN, "An account with this e-mail exists."),
    InvalidTicket: fixed(problems.INVALID_TICKET, "The ticket is not ours, used or too old."),
    idempotency.AnswerWithheld: fixed(
        problems.ANSWER_WITHHELD, "The stored answer holds a secret, which only the token that asked is given again."
    ),
    idempotency.KeyReused: fixed(problems.KEY_REUSED, "This Idempotency-Key was used for another request."),
    idempotency.MalformedKey: fixed(
        problems.MALFORMED_REQUEST, "An Idempotency-Key has 1 to 255 printable ASCII characters."
    ),
    idempotency.AnswerUnreadable: fixed(
        problems.CONFLICT, "The write has happened, but its stored answer can no longer be read."
    ),
    ScopeNotHeld: _scope_not_held,
    OutlivesMaker: _outlives_maker,
    TooManyAttempts: _too_many_attempts,
    PasswordRefused: _password_refused,
    idempotency.Replayed: _replayed,
}
