"""Static files come from our own server, whether `collectstatic` has run or not."""

import re
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command
from django.templatetags.static import static
from django.test import override_settings

from tests.support.processes.servers import Server

BROWSER = {"Accept": "text/html"}


@pytest.mark.parametrize("page", ["/admin/login/", "/docs", "/docs/errors"])
def test_every_file_that_a_page_names_is_served(server: Server, page: str) -> None:
    with httpx.Client(base_url=server.url, headers=BROWSER) as client:
        files = re.findall(r'<(?:link|script|img)\s[^>]*(?:href|src)="([^"]+)"', client.get(page).text)
        assert files
        for file in files:
            response = client.get(file)
            assert (file, response.status_code) == (file, 200)
            assert response.headers["Cache-Control"] == "max-age=60, public"
            assert client.get(file, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("path", ["/static/nothing.css", "/static/..%2f..%2ftodoproject/settings.py", "/static/"])
def test_what_is_no_static_file_is_404(server: Server, path: str) -> None:
    assert httpx.get(server.url + path).status_code == 404


def test_names_are_plain_until_the_files_are_collected(tmp_path: Path) -> None:
    with override_settings(STATIC_ROOT=tmp_path):
        assert static("todoproject/icon.svg") == "/static/todoproject/icon.svg"


@pytest.mark.slow
def test_collected_files_have_a_hash_in_their_name_and_a_compressed_twin(tmp_path: Path) -> None:
    with override_settings(STATIC_ROOT=tmp_path):
        call_command("collectstatic", interactive=False, verbosity=0)
        name = static("unfold/css/styles.css")
    assert re.fullmatch(r"/static/unfold/css/styles\.[0-9a-f]{12}\.css", name)
    collected = tmp_path / name.removeprefix("/static/")
    assert collected.with_name(f"{collected.name}.gz").stat().st_size < collected.stat().st_size / 3
