"""What browsers are told about our pages, and that the pages can live with it."""

import hashlib
import re
from importlib.resources import files

import pytest
from django.test import Client

from tests.support.staff import make_user, page, root_client

pytestmark = pytest.mark.usefixtures("orm")

PAGES = ["/docs", "/docs/errors", "/admin/login/", "/nowhere"]


def policy(client: Client, address: str) -> dict[str, list[str]]:
    header = client.get(address, headers={"Accept": "text/html"}).headers["Content-Security-Policy"]
    return {name: values for name, *values in (part.split() for part in header.split(";"))}


@pytest.mark.parametrize("address", PAGES)
def test_scripts_come_from_our_files_only(address: str) -> None:
    told = policy(Client(), address)
    assert told["default-src"] == ["'none'"]
    assert told["script-src"] == ["'self'"]
    assert told["frame-ancestors"] == told["base-uri"] == ["'none'"]
    assert told["form-action"] == ["'self'"]


@pytest.mark.parametrize("address", PAGES)
def test_the_other_headers_are_there(address: str) -> None:
    headers = Client().get(address, headers={"Accept": "text/html"}).headers
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "camera=()" in headers["Permissions-Policy"]


def test_a_nonce_is_never_the_same() -> None:
    client = Client()
    assert policy(client, "/docs")["style-src"] != policy(client, "/docs")["style-src"]


def test_no_page_holds_a_script_or_a_handler_of_its_own() -> None:
    client, user = root_client(), make_user()
    for address in (
        "/admin/",
        "/admin/accounts/user/",
        f"/admin/accounts/user/{user.pk}/change/",
        "/admin/tasks/task/",
    ):
        response = client.get(address)
        text = page(response)
        for script in re.findall(r"<script[^>]*>", text):
            assert " src=" in script or 'type="application/json"' in script, script
        assert not re.findall(r"<[a-z][^>]*\son[a-z]+\s*=", text)
        nonce = re.search(r"'nonce-([^']+)'", response.headers["Content-Security-Policy"])
        assert nonce is not None
        for style in re.findall(r"<style[^>]*>", text):
            assert f'nonce="{nonce[1]}"' in style


def test_a_request_id_is_echoed_if_it_is_a_sane_one() -> None:
    client = Client()
    assert client.get("/docs", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    assert client.get("/docs", headers={"X-Request-ID": "a b"}).headers["X-Request-ID"] != "a b"


def test_what_we_have_taken_over_from_unfold_is_still_what_it_was() -> None:
    # When one of these changes with a new Unfold, look at the difference and bring ours up to it.
    ours = {
        "templates/unfold/layouts/skeleton.html": "66af9f0bb45f98ba4e16ba5e5a11f36d87b8e07430d19066d088b29548491c2e",
        "static/unfold/js/alpine/alpine.js": "3ed1eed252488921df65e363d6715deb04d7f92aaedb9e52199fdf73cb1e0ad3",
    }
    for path, digest in ours.items():
        content = files("unfold").joinpath(path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, path
