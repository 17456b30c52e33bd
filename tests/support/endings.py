"""Every way in which a token ends, each done as it is done for real, and which of somebody's tokens it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.contrib.auth.management.commands import changepassword
from django.core.management import call_command
from django.urls import reverse
from uuid_utils.compat import uuid7

from accounts import tokens
from accounts.models import AccessToken, Scope, User
from tests.support import mails
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect
from tests.support.staff import act, in_thread, logged_in, page, root_client, seen

NEW = "incorrect zebra battery staple"
LOGIN, OTHER, SCRIPT = "this login", "another login", "a script's token"
LOGINS, ALL = {LOGIN, OTHER}, {LOGIN, OTHER, SCRIPT}


@dataclass(frozen=True)
class Holder:
    """Somebody with two logins and a personal token, and a client that carries none of them."""

    person: Person
    anybody: httpx.AsyncClient
    tokens: dict[str, str]
    ids: dict[str, str]

    async def post(self, path: str, body: dict[str, Any] | None = None, by: str = LOGIN, **headers: str) -> None:
        answer = await self.anybody.post(path, json=body, headers=self.bearer(by) | headers)
        assert answer.is_success, answer.text

    async def delete(self, path: str, **body: Any) -> None:
        answer = await self.anybody.request("DELETE", path, json=body or None, headers=self.bearer(LOGIN))
        assert answer.status_code == 204, answer.text

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def sql(self, statement: str, *values: Any) -> None:
        with connect() as connection:
            connection.execute(statement, values)


End = Callable[[Holder], Awaitable[None]]


async def holder_of(person: Person, client: httpx.AsyncClient) -> Holder:
    session = (await client.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD})).json()
    made = (await person.http.post("/v1/tokens", json={"name": "script", "scopes": Scope.values})).json()
    holder = Holder(person, client, {LOGIN: person.token, OTHER: session["token"], SCRIPT: made["token"]}, {})
    for name in ALL:
        current = (await client.get("/v1/tokens/current", headers=holder.bearer(name))).json()
        holder.ids[name] = current["id"]
    return holder


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


# --- By the owner -----------------------------------------------------------------------------------


def posts(path: str, body: dict[str, Any] | None = None, by: str = LOGIN, *, keyed: bool = False) -> End:
    async def end(holder: Holder) -> None:
        await holder.post(path, body, by, **key() if keyed else {})

    return end


def deletes(path: str, name: str) -> End:
    async def end(holder: Holder) -> None:
        await holder.delete(f"{path}/{holder.ids[name]}")

    return end


LOGOUT, EVERYWHERE = "/v1/auth/logout", "/v1/auth/logout-everywhere"
CHANGE, PASSWORDS = "/v1/me/password", {"current_password": PASSWORD, "new_password": NEW}


async def rotated(holder: Holder) -> None:
    await holder.post(f"/v1/tokens/{holder.ids[SCRIPT]}/rotate")


async def overlap_over(holder: Holder) -> None:
    await rotated(holder)
    await expired(holder)


async def rotated_itself(holder: Holder, **headers: str) -> None:
    await holder.post(f"/v1/tokens/{holder.ids[LOGIN]}/rotate", **headers)


async def rotated_itself_under_a_key(holder: Holder) -> None:
    await rotated_itself(holder, **key())


async def expired(holder: Holder) -> None:
    holder.sql("UPDATE access_tokens SET expires_at = now() WHERE id = %s", holder.ids[SCRIPT])


async def email_changed(holder: Holder) -> None:
    await holder.post("/v1/me/email", {"password": PASSWORD, "new_email": f"new-{holder.person.email}"})


async def erased(holder: Holder) -> None:
    await holder.delete("/v1/me", password=PASSWORD)


async def crowded(holder: Holder) -> None:
    """Log in for the hundred-and-first time: the oldest gives way."""
    rows = [(uuid7(), holder.person.id, tokens.digest(uuid4().hex), Scope.values) for _ in range(98)]
    with connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes)"
            " VALUES (%s, %s, 'session', 'login', %s, %s)",
            rows,
        )
    await holder.post("/v1/auth/login", {"email": holder.person.email, "password": PASSWORD})


# --- By a code from a mail --------------------------------------------------------------------------


async def reset(holder: Holder, **more: Any) -> None:
    holder.sql("UPDATE users SET email_verified_at = now() WHERE id = %s", holder.person.id)
    await first_proof(holder, **more)


async def reset_and_tokens(holder: Holder) -> None:
    await reset(holder, revoke_tokens=True)


async def first_proof(holder: Holder, **more: Any) -> None:
    """Prove the address: whoever has registered a stranger's address first must not keep a way in."""
    await holder.post("/v1/auth/password-reset", {"email": holder.person.email})
    code = {"token": await mails.code(holder.person.email), "password": NEW}
    await holder.post("/v1/auth/password-reset/confirm", code | more)


# --- By staff and operators -------------------------------------------------------------------------


def by_staff(work: Callable[[Holder, User], None]) -> End:
    async def end(holder: Holder) -> None:
        await asyncio.to_thread(in_thread, lambda: work(holder, User.objects.get(pk=holder.person.id)))

    return end


def do(user: User, deed: str) -> None:
    form = {"reason": "abuse", "email": user.email}
    answer = root_client().post(reverse("admin:accounts_user_do", args=[user.pk, deed]), form)
    assert answer.status_code == 302, answer.content


def token_of_staff_revoked(holder: Holder, user: User) -> None:
    act(root_client(), "accounts_accesstoken", "revoke", AccessToken.objects.get(pk=holder.ids[SCRIPT]))


def session_of_staff_ended(holder: Holder, user: User) -> None:
    act(root_client(), "accounts_accesstoken", "revoke", AccessToken.objects.get(pk=holder.ids[OTHER]))


def reactivated(holder: Holder, user: User) -> None:
    do(user, "deactivate")
    do(user, "reactivate")


def email_asked_for(holder: Holder, user: User) -> None:
    form = {"email": f"new-{user.email}", "timezone": user.timezone, **seen(user)}
    answer = root_client().post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True)
    assert "is still" in page(answer)


def own_page(holder: Holder, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.refresh_from_db()
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert logged_in(user).post("/admin/password_change/", form).status_code == 302


def shell(holder: Holder, user: User) -> None:
    user.set_password(NEW)
    user.save()


def command(holder: Holder, user: User) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changepassword.Command, "_get_pass", lambda *_: NEW)  # what would be typed
        call_command("changepassword", user.email, verbosity=0)


# --- By SQL -----------------------------------------------------------------------------------------


async def deactivated_by_sql(holder: Holder) -> None:
    holder.sql("UPDATE users SET is_active = false WHERE id = %s", holder.person.id)


async def removed_by_sql(holder: Holder) -> None:
    holder.sql("DELETE FROM access_tokens WHERE id = %s", holder.ids[SCRIPT])


# Each with how long a rotated token goes on, and which tokens have ended.
ENDINGS: dict[str, tuple[End, int, set[str]]] = {
    "revoke": (deletes("/v1/tokens", SCRIPT), 600, {SCRIPT}),
    "revoke a login": (deletes("/v1/tokens", OTHER), 600, {OTHER}),
    "end a session": (deletes("/v1/sessions", OTHER), 600, {OTHER}),
    "end the session in use": (deletes("/v1/sessions", LOGIN), 600, {LOGIN}),
    "rotate": (rotated, 600, set()),
    "rotate without an overlap": (rotated, 0, {SCRIPT}),
    "rotate, overlap over": (overlap_over, 600, {SCRIPT}),
    "rotate itself": (rotated_itself, 600, set()),
    "rotate itself without an overlap": (rotated_itself, 0, {LOGIN}),
    "rotate itself without an overlap, keyed": (rotated_itself_under_a_key, 0, {LOGIN}),
    "expire": (expired, 600, {SCRIPT}),
    "log out": (posts(LOGOUT), 600, {LOGIN}),
    "log out, keyed": (posts(LOGOUT, keyed=True), 600, {LOGIN}),
    "log out by the script": (posts(LOGOUT, by=SCRIPT), 600, {SCRIPT}),
    "log out everywhere": (posts(EVERYWHERE, by=SCRIPT), 600, LOGINS),
    "log out everywhere, keyed": (posts(EVERYWHERE, by=SCRIPT, keyed=True), 600, LOGINS),
    "log out everywhere, tokens stay": (posts(EVERYWHERE, {"revoke_tokens": False}), 600, LOGINS),
    "log out everywhere, tokens too": (posts(EVERYWHERE, {"revoke_tokens": True}), 600, ALL),
    "change the password": (posts(CHANGE, PASSWORDS), 600, {OTHER}),
    "change the password, keyed": (posts(CHANGE, PASSWORDS, keyed=True), 600, {OTHER}),
    "change the password, tokens too": (posts(CHANGE, PASSWORDS | {"revoke_tokens": True}), 600, {OTHER, SCRIPT}),
    # The token in use is spared, whatever it is.
    "change the password by the script": (posts(CHANGE, PASSWORDS | {"revoke_tokens": True}, SCRIPT), 600, LOGINS),
    "change the e-mail": (email_changed, 600, set()),
    "erase": (erased, 600, ALL),
    "log in for the 101st time": (crowded, 600, {LOGIN}),
    "reset": (reset, 600, LOGINS),
    "reset, tokens too": (reset_and_tokens, 600, ALL),
    "reset that proves the address first": (first_proof, 600, ALL),
    "deactivate by SQL": (deactivated_by_sql, 600, ALL),
    "delete the row": (removed_by_sql, 600, {SCRIPT}),
}
BY_STAFF: dict[str, tuple[Callable[[Holder, User], None], set[str]]] = {
    "revoke a token": (token_of_staff_revoked, {SCRIPT}),
    "end a session": (session_of_staff_ended, {OTHER}),
    "revoke tokens": (lambda _, user: do(user, "revoke-tokens"), ALL),
    "deactivate": (lambda _, user: do(user, "deactivate"), ALL),
    "deactivate and reactivate": (reactivated, ALL),
    "erase": (lambda _, user: do(user, "erase"), ALL),
    "send a reset that is not used": (lambda _, user: do(user, "send-reset"), set()),
    "ask for another e-mail": (email_asked_for, LOGINS),
    "change one's own password in the admin": (own_page, LOGINS),
    "set a password in a shell": (shell, ALL),
    "changepassword": (command, ALL),
}
