"""Messages of the Model Context Protocol: what is asked, in which of its versions, and how it is answered.

Since 2026-07-28 a request says by itself all that is to be known of it. Before, a client shook hands first; such a
client is served without a session, too, since nothing that it says then changes an answer.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.http import HttpResponse

from todoproject.http.responses import json_response
from todoproject.version import VERSION

VERSION_HEADER = "MCP-Protocol-Version"
PRESENT = "2026-07-28"
# With a handshake, the newest first.
OLDER = ("2025-11-25", "2025-06-18", "2025-03-26")
SUPPORTED = (PRESENT, *OLDER)
SERVER = {"name": "todo", "title": "Todo", "version": VERSION}

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
_STATUSES = {METHOD_NOT_FOUND: 404}
_LONGEST_VERSION = 100  # of one that is not known, as it is told
_LEAST_ID, _GREATEST_ID = -(2**63), 2**63 - 1

_PREFIX = "io.modelcontextprotocol/"
_VERSION_KEY, _CAPABILITIES_KEY = f"{_PREFIX}protocolVersion", f"{_PREFIX}clientCapabilities"
_SERVER_KEY = f"{_PREFIX}serverInfo"
_IN_BASE64 = re.compile(r"=\?base64\?(.*)\?=")

Document = Mapping[str, Any]


class Refused(Exception):
    """A message is refused as a whole: a JSON-RPC error, and not the failure of a tool."""

    def __init__(self, code: int, message: str, data: Document | None = None) -> None:
        super().__init__(message)
        self.code, self.data = code, data


@dataclass(frozen=True)
class Message:
    """A request, or a notification, whose id is absent."""

    method: str
    params: Document
    id: str | int | None
    is_notification: bool

    @property
    def is_present(self) -> bool:
        """Tell whether it is of the present version, which has no handshake."""
        return _VERSION_KEY in self._meta

    @property
    def _meta(self) -> Document:
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise Refused where the version is none of ours, or where the headers say something else than the message."""
        sent = headers.get("HTTP_MCP_PROTOCOL_VERSION")
        asked = self._meta.get(_VERSION_KEY, sent)
        if self.is_notification or (not self.is_present and sent != PRESENT):
            if asked is not None and asked not in SUPPORTED:
                raise _unsupported(asked)
            return
        if missing := [key for key in (_VERSION_KEY, _CAPABILITIES_KEY) if key not in self._meta]:
            raise Refused(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}.")
        expected = {VERSION_HEADER: asked, "Mcp-Method": self.method}
        if self.method == "tools/call":
            expected["Mcp-Name"] = self.params.get("name")
        for name, value in expected.items():
            if _decoded(headers.get(f"HTTP_{name.upper().replace('-', '_')}")) != value:
                raise Refused(HEADER_MISMATCH, f"The header {name} is not what the message says.")
        if asked != PRESENT:
            raise _unsupported(asked)


def _unsupported(version: object) -> Refused:
    # Whatever was asked for, half a character too: as text that an answer can hold.
    requested = str(version)[:_LONGEST_VERSION].encode(errors="replace").decode()
    return Refused(
        UNSUPPORTED_VERSION, "Unsupported protocol version", {"supported": [*SUPPORTED], "requested": requested}
    )


def _decoded(value: str | None) -> str | None:
    """Return the text of a header, which is in base64 where it is not plain ASCII."""
    if value is None or (match := _IN_BASE64.fullmatch(value)) is None:
        return value
    try:
        return base64.b64decode(match[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def read(body: Any) -> Message:
    """Return the message of a body. Raises Refused."""
    if not isinstance(body, dict):  # several at once were allowed in 2025-03-26 alone
        raise Refused(INVALID_REQUEST, "Send one request or notification, as an object.")
    method, params, identity = body.get("method"), body.get("params", {}), body.get("id")
    is_good = body.get("jsonrpc") == "2.0" and isinstance(method, str) and isinstance(params, dict)
    is_notification = "id" not in body
    if not is_good or not (is_notification or _is_id(identity)):
        raise Refused(INVALID_REQUEST, "This is no JSON-RPC 2.0 request: jsonrpc, method, params, and an id.")
    return Message(str(method), params, identity, is_notification)


def _is_id(value: object) -> bool:
    """Tell whether it is an id that an answer can repeat: any other would fail once the tool has run.

    No integer of JSON's parsers holds more than 64 bits, and no text in UTF-8 half of a pair of surrogates.
    """
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return isinstance(value, int) and not isinstance(value, bool) and _LEAST_ID <= value <= _GREATEST_ID


def result(message: Message, document: dict[str, Any]) -> HttpResponse:
    """Answer a request."""
    if message.is_present:
        document = {"resultType": "complete", "_meta": {_SERVER_KEY: SERVER}, **document}
    return json_response(orjson.dumps({"jsonrpc": "2.0", "id": message.id, "result": document}))


def refusal(identity: str | int | None, refused: Refused) -> HttpResponse:
    """Answer with an error."""
    error: dict[str, Any] = {"code": refused.code, "message": str(refused)}
    if refused.data is not None:
        error["data"] = refused.data
    content = orjson.dumps({"jsonrpc": "2.0", "id": identity, "error": error})
    return json_response(content, _STATUSES.get(refused.code, 400))
