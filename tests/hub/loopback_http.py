"""The HTTP/1.1 side of a loopback Hub: two servers that stop for good, reset connections and keep a record."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from loopback_faults import Fault


@dataclass
class Request:
    """A request as it came in. ``status`` is filled in by the answer, and stays ``None`` after a reset without one.

    Attributes:
        method: ``GET``, ``HEAD``, ``POST``, ``PUT`` or ``DELETE``.
        path: the path, still quoted.
        target: the path with its query.
        origin: ``"hub"`` or ``"cdn"``, the server that it reached.
        headers: by lower-case name.
        body: the bytes that came with it.
    """

    method: str
    path: str
    target: str
    origin: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    status: int | None = None

    @property
    def authorization(self) -> bool:
        """Whether a token, or anything else, was sent in the Authorization header."""
        return "authorization" in self.headers

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    def flag(self, name: str) -> bool:
        """Return whether the query says yes to ``name``."""
        return self.query.get(name, [""])[-1].lower() in ("1", "true")

    def json(self) -> dict:
        return json.loads(self.body or b"{}")


@dataclass
class Response:
    """An answer: status, body and headers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, status: int = 200, headers: dict[str, str] | None = None) -> "Response":
        """Return an answer that carries ``value`` as JSON."""
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return cls(status, json.dumps(value).encode(), kind | (headers or {}))


class HubError(Exception):
    """A refusal, told as the Hub tells it: in ``X-Error-Code``, ``X-Error-Message`` and the body."""

    def __init__(
        self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        named = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.response = Response.of({"error": message}, status, named | (headers or {}))


class Handler(BaseHTTPRequestHandler):
    """Reads one request, lets the server answer it, and writes head and body in one piece."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Origin"

    def log_message(self, *_: object) -> None:
        pass

    def serve(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.partition("?")[0]
        request = Request(self.command, path, self.path, self.server.name, headers, self._body())
        fault, response = self.server.answer(request)
        if fault is not None and fault.delay:
            self.server.stopping.wait(fault.delay)
        if fault is not None and fault.reset and fault.cut is None:
            return self._reset()
        request.status = response.status
        body = b"" if self.command == "HEAD" or response.status == 304 else response.body
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if "Content-Length" not in response.headers:
            lines.append(f"Content-Length: {len(response.body)}")
        lines.append(f"Date: {self.date_time_string()}")
        if fault is not None and fault.cut is not None:
            body = body[: fault.cut]
            self.close_connection = True
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        self.wfile.flush()
        if fault is not None and fault.reset:
            time.sleep(0.05)  # let the client take in what a reset would throw away
            self._reset()
        return None

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 (the names that http.server looks for)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.resetting.add(self.connection)
        self.close_connection = True


class Origin(ThreadingHTTPServer):
    """One server on loopback, which knows its connections, so that stopping it ends those kept alive too."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, name: str, port: int, answer: Callable[[Request], "tuple[Fault | None, Response]"]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.name = name
        self.answer = answer
        self.stopping = threading.Event()
        self.connections: set[socket.socket] = set()
        self.resetting: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name=f"loopback {name}", daemon=True)
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        self.connections.discard(request)
        if request in self.resetting:  # a shutdown would send a polite end before the reset
            self.resetting.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away; every other error is told by the answer."""

    def stop(self) -> None:
        """Refuse new connections and end the open ones."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it had ended by itself
        self._thread.join()
