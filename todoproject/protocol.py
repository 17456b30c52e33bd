"""What is no HTTP at all: answered before there is a request, and with a problem document even so."""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from todoproject import problems
from todoproject.problems import MALFORMED_REQUEST, Problem


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, whose own errors are problem documents, too."""

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that cannot be read as HTTP, and close: where the next request begins, nobody knows."""
        response = problems.respond(Problem(MALFORMED_REQUEST, "This is not HTTP/1.1, or too long."), "/")
        status = HTTPStatus(response.status_code)
        head = [
            f"HTTP/1.1 {status} {status.phrase}",
            *(f"{name}: {value}" for name, value in response.items()),
            f"Content-Length: {len(response.content)}",
            "Connection: close",
        ]
        self.transport.write("\r\n".join([*head, "", ""]).encode("latin-1") + response.content)
        self.transport.close()
