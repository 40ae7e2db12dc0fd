"""The server and its gate: requests that must arrive in time, names and pages that may ask, a token, an end in seconds.

uvicorn waits for ever for a request that is sent by halves; `Connection` does not. `Gate` says who may ask: a browser
lets any web page send requests to 127.0.0.1. A page may write only if it was served from here (`Origin`). A foreign
name that was made to point to 127.0.0.1 (DNS rebinding) shows itself in `Host`.
"""

import hmac
import ipaddress
import signal
import socket
import threading
from urllib.parse import urlsplit

import h11
import uvicorn
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

READ_SECONDS = 5  # for a whole request
STOP_SECONDS = 3  # for answers that are under way when the service is stopped
MOST_CONNECTIONS = 1_000  # beyond, a request is a 503
OPEN = ("/docs", "/openapi.json", "/", "/page/style.css", "/page/page.js")  # how to ask, and nothing of users
READING = ("GET", "HEAD", "OPTIONS")


class Connection(H11Protocol):
    """uvicorn's protocol; it closes a connection whose request is not whole after `READ_SECONDS`."""

    _clock = None

    def connection_made(self, transport) -> None:
        """Take a connection."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        super().data_received(data)
        self._watch()

    def shutdown(self) -> None:
        """End at once if the end of a request is awaited, otherwise after the answer."""
        if self._awaits_more():
            self.transport.abort()
        else:
            super().shutdown()

    def _awaits_more(self) -> bool:
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def _watch(self) -> None:
        """Let the clock run while the end of a request is awaited: more bytes do not stop it."""
        if self._clock is None and self._awaits_more():
            self._clock = self.loop.call_later(READ_SECONDS, self.transport.abort)
        elif self._clock is not None and not self._awaits_more():
            self._clock.cancel()
            self._clock = None


def run(app, listener: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM; both end as KeyboardInterrupt, after the answers that are under way."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = uvicorn.Config(
        app, http=Connection, ws="none", loop="asyncio", lifespan="off", proxy_headers=False, log_level="error",
        access_log=False, server_header=False, limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )  # fmt: skip
    uvicorn.Server(config).run([listener])


class Gate:
    """An application that refuses, as JSON with `detail`, before `app` reads a body.

    Args:
        app: The ASGI application behind it.
        names: Hosts that the service is asked by, beside the address at which a request arrives; None: by any.
        token: What `Authorization: Bearer …` must say, except to read the documentation; None: nothing.
        most_bytes: Of a body. The rest of a longer one is never read, let alone held in memory.
    """

    def __init__(self, app, names: tuple[str, ...] | None, token: str | None, most_bytes):
        self.app, self.token, self.most_bytes = app, token, most_bytes
        self.names = None if names is None else {name.lower() for name in names}

    async def __call__(self, scope, receive, send) -> None:
        """Answer a request, or refuse it."""
        refusal = self._refusal(scope, Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self._limited)(scope, receive, send)

    def _refusal(self, scope, headers: Headers) -> JSONResponse | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(_name(host), scope):
            advice = "Ask by the address that the service printed, or start it with --name and this name."
            return _refused(400, f"the host must be a name of this service; it is {host[:100]!r}. {advice}")
        if scope["method"] not in READING and origin is not None and urlsplit(origin).netloc != host:
            must = "only a page of this service may write from a browser"
            return _refused(403, f"{must}; this one is of {origin[:100]!r}.")
        given = headers.get("authorization", "").encode("latin-1")
        is_open = self.token is None or scope["path"] in OPEN
        if not is_open and not hmac.compare_digest(given, b"Bearer " + self.token.encode()):
            advice = "Send the header `Authorization: Bearer TOKEN`, with the token that the service was started with."
            return _refused(401, f"this service answers those who know its token. {advice}")
        return None

    def _is_ours(self, name: str, scope) -> bool:
        if self.names is None or name in self.names:
            return True
        arrived = _address(scope["server"][0])
        return arrived is not None and (_address(name) == arrived or (name == "localhost" and arrived.is_loopback))

    async def _limited(self, scope, receive, send) -> None:
        length = 0

        async def limited():
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > (most := self.most_bytes()):
                raise HTTPException(413, f"a body must have at most {most:,} bytes; this one is longer.")
            return message

        await self.app(scope, limited, send)


def _refused(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, {"www-authenticate": "Bearer"} if status == 401 else None)


def _name(host: str) -> str:
    """Return the host of "host:port" in lower case; "" if it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _address(name: str):
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
