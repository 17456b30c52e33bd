"""The API in this process with the settings of one test: its middleware reads them once, when it is made."""

import httpx

from todoproject.http.handler import ApiHandler


def api_client(address: str = "192.0.2.1", **headers: str) -> httpx.AsyncClient:
    """Return a client, at an address of one's own, of an API made just now."""
    from todoproject.api import api, query_parameters
    from todoproject.urls import api_patterns

    return client_of(ApiHandler(api_patterns, query_parameters(), api.on_exception), address, **headers)


def client_of(handler: ApiHandler, address: str, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(handler, client=(address, 50_000))  # type: ignore[arg-type]  # httpx types it wider
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers)
