"""An OpenAI-compatible server for local models, on this machine's loopback address alone.

``POST /v1/chat/completions``, ``GET /v1/models``, ``GET /v1/models/NAME``, ``GET /health``. Whoever can reach the
address can ask: there is no key. So no other address is taken, a request that was meant for another host is refused
(a web page could otherwise have its name lead here), and a body must say that it is JSON, which no web page may do
without asking first.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from llm_compare.errors import CannotServe
from llm_compare.tuning.serving.protocol import RequestRefused, read_request
from llm_compare.tuning.serving.response import model_record
from llm_compare.tuning.serving.served_models import ServedModels

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MOST_BODY_BYTES = 1 << 20
_MOST_SKIPPED_BYTES = 16 * MOST_BODY_BYTES
"""Read and thrown away of a body that is too large, so that its sender is there to hear that it was."""
_MOST_LENGTH_DIGITS = 18
_COMPLETIONS, _MODELS, _HEALTH = "/v1/chat/completions", "/v1/models", "/health"
_POLL_SECONDS = 0.05


class Server:
    """A server whose address is taken when it is made, that answers once started, and ends what it began.

    Use it in a ``with`` block, which gives the address back.

    Parameters
    ----------
    host
        ``127.0.0.1``, ``::1`` or ``localhost``.
    port
        0 for a free one.
    log
        Is told of faults of the server's own; a client only hears that there was one.

    Raises
    ------
    CannotServe
        The address is none of this machine's loopback addresses, or is taken.
    """

    def __init__(self, *, host: str, port: int, log: Callable[[str], None]) -> None:
        if host not in LOOPBACK:
            raise CannotServe(
                f"--host {host}: is not one of {', '.join(LOOPBACK)}. The server asks for no key, so it can be "
                "reached from this machine only; from another one, lay a tunnel to it (ssh -L "
                f"{port}:127.0.0.1:{port} THIS-MACHINE)"
            )
        self._http = (_HttpServer6 if ":" in host else _HttpServer)(
            (host, port), _Handler, bind_and_activate=False
        )
        self._http.log = log
        try:
            self._http.server_bind()
        except OSError as error:
            self._http.server_close()
            raise CannotServe(
                f"--host {host} --port {port}: {error.strerror or error}; take another port (0 for any free one)"
            ) from None
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": _POLL_SECONDS}, name="serving"
        )

    @property
    def address(self) -> str:
        """What is given as ``--api-base``."""
        host, port = self._http.server_address[:2]
        written = str(host)
        return f"http://{f'[{written}]' if ':' in written else written}:{port}/v1"

    def start(self, models: ServedModels) -> None:
        """Begin to answer with some models, in a thread of its own."""
        self._http.models = models
        self._http.server_activate()
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, and return when those that arrived are answered."""
        self._take_no_more()
        self._http.hang_up()

    def __enter__(self) -> Server:
        """Return the server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the address back; what was not waited for by ``stop`` is given up."""
        self._take_no_more()
        self._http.server_close()

    def _take_no_more(self) -> None:
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()


# Not http.server's own: that one asks the network what this machine is called.
class _HttpServer(socketserver.TCPServer):
    models: ServedModels
    log: Callable[[str], None]
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, *given: Any, **named: Any) -> None:
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        super().__init__(*given, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        # A daemon: waited for at the end, unless whoever waits gives it up.
        thread = threading.Thread(target=self._converse, args=(request, client_address), daemon=True)
        with self._lock:
            thread.start()
            self._connections[request] = thread

    def _converse(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            return  # The client left.
        finally:
            self.shutdown_request(request)
            with self._lock:
                del self._connections[request]

    def hang_up(self) -> None:
        """Read no more of any connection: idle ones end, busy ones after their response. Wait for them."""
        with self._lock:
            found = dict(self._connections)
            for connection in found:
                try:
                    connection.shutdown(socket.SHUT_RD)
                except OSError:
                    continue  # The other side was quicker.
        for thread in found.values():
            thread.join()


class _HttpServer6(_HttpServer):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    protocol_version = "HTTP/1.1"
    server_version = "equipoise"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 300
    """Seconds that a connection may say nothing."""

    def do_GET(self) -> None:
        self._respond()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = do_GET  # noqa: N815

    def _respond(self) -> None:
        try:
            status, record = HTTPStatus.OK, self._answer()
        except RequestRefused as refused:
            status, record = HTTPStatus(refused.status), refused.record()
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # The client left, or said nothing more.
            return
        except Exception:  # noqa: BLE001 - see below
            # Whatever it was, the client is told that it was our fault, and the next request is served.
            self.server.log(traceback.format_exc())
            fault = RequestRefused(
                "the server failed at this request; its own terminal says how",
                status=500,
                code="server_error",
            )
            status, record = HTTPStatus.INTERNAL_SERVER_ERROR, fault.record()
        self._send(status, record)

    def _answer(self) -> dict[str, Any]:
        body = self._body()
        self._check_host()
        path = unquote(urlsplit(self.path).path)
        wanted = "POST" if path == _COMPLETIONS else "GET"
        if path not in (_COMPLETIONS, _MODELS, _HEALTH) and not path.startswith(f"{_MODELS}/"):
            raise RequestRefused(
                f"no {path} here; there are {_COMPLETIONS}, {_MODELS}, {_MODELS}/NAME and {_HEALTH}",
                status=404,
            )
        if self.command != wanted:
            raise RequestRefused(f"{self.command} {path}: use {wanted}", status=405)
        if path == _COMPLETIONS:
            self._check_is_json()
            return self.server.models.answer(read_request(body))
        if path == _HEALTH:
            return {"status": "ok", "models": list(self.server.models.names)}
        if path == _MODELS:
            return {"object": "list", "data": [model_record(n) for n in self.server.models.names]}
        return model_record(self.server.models.found(path.removeprefix(f"{_MODELS}/")).name)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding"):
            self.close_connection = True
            raise RequestRefused("a body must come with its length (Content-Length)", status=411)
        said = self.headers.get("content-length", "0")
        if not (said.isascii() and said.isdigit() and len(said) <= _MOST_LENGTH_DIGITS):
            self.close_connection = True
            raise RequestRefused(f"Content-Length {said[:_MOST_LENGTH_DIGITS]!r}: must be a whole number")
        length = int(said)
        if length > MOST_BODY_BYTES:
            self.close_connection = True
            left = min(length, _MOST_SKIPPED_BYTES)
            while left and (chunk := self.rfile.read(min(left, 1 << 16))):
                left -= len(chunk)
            raise RequestRefused(f"a body of {length} bytes; at most {MOST_BODY_BYTES} are read", status=413)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the client left in the middle of its request")
        return body

    def _check_host(self) -> None:
        said = self.headers.get("host", "")
        try:
            host = urlsplit(f"//{said}").hostname
        except ValueError:
            host = None
        if host not in LOOPBACK:
            raise RequestRefused(
                f"Host {said!r}: this server answers to {', '.join(LOOPBACK)} only",
                status=403,
                code="wrong_host",
            )

    def _check_is_json(self) -> None:
        if self.headers.get_content_type() != "application/json":
            raise RequestRefused(
                f"Content-Type {self.headers.get('content-type', 'missing')}: must be application/json",
                status=415,
            )

    def _send(self, status: HTTPStatus, record: dict[str, Any]) -> None:
        content = json.dumps(record).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("allow", "POST" if self.path.startswith(_COMPLETIONS) else "GET")
        if self.close_connection:
            self.send_header("connection", "close")
        try:
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # The client gave up waiting.

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is not even HTTP in the same shape."""
        self.close_connection = True
        said = message or HTTPStatus(code).phrase
        self._send(HTTPStatus(code), RequestRefused(said, status=code).record())

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: only faults are told."""
