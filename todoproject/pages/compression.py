"""Pages for people in fewer bytes; the API has its own way, and static files are compressed when they are collected."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from todoproject.http.compression import LEAST_BYTES

_TEXTS = ("text/", "image/svg+xml", "application/json")


class CompressedPages(GZipMiddleware):
    """Django's, for texts that are there whole: an export is a file of its own, and goes as it is made.

    Django hides the length of what is compressed (BREACH), and masks the one secret in its pages.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_text = response.headers.get("Content-Type", "").startswith(_TEXTS)
        if response.streaming or not is_text or len(response.content) <= LEAST_BYTES:  # type: ignore[attr-defined]
            return response
        return super().process_response(request, response)
