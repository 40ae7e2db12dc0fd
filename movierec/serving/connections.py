"""The server: requests that must arrive in time, no more connections than there are descriptors, an end within seconds.

uvicorn closes a connection that is idle after an answer. It waits for ever for a request that is sent by halves, and
takes connections until no descriptor is left; `Connection` adds both limits. `Gate` says who may ask: a browser lets
any web page send requests to 127.0.0.1. A page may write only if it was served from here (`Origin`). A foreign name
that was made to point to 127.0.0.1 (DNS rebinding) shows itself in `Host`.
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

READ_SECONDS = 5  # for a whole request, and for a client that does not take its answer
STOP_SECONDS = 3  # for answers that are under way when the service is stopped
MOST_CONNECTIONS = 1_000
BACKLOG = 100  # connections that may wait to be accepted; so many are accepted at once
SPARE = 64  # descriptors for the event store, the model and the libraries
BUSY = b'HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{"detail":"%s"}'
SLOW = BUSY.replace(b"503 Service Unavailable", b"408 Request Timeout")
OPEN = ("/docs", "/openapi.json", "/", "/page/style.css", "/page/page.js")  # how to ask, and nothing of users
READING = ("GET", "HEAD", "OPTIONS")


class Connection(H11Protocol):
    """uvicorn's protocol with a time limit for requests and answers, and a limit on connections."""

    most = MOST_CONNECTIONS

    def connection_made(self, transport) -> None:
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        self._clock = None
        if len(self.connections) > self.most:
            transport.write(BUSY % b"too many connections are open. Try again later.")
            transport.close()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc) -> None:
        """Forget the connection."""
        self._stop_clock()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give a client that does not read its answer a limited time."""
        super().pause_writing()
        self._stop_clock()
        self._clock = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        self._stop_clock()
        self._watch()

    def shutdown(self) -> None:
        """End at once if there is nothing to answer, otherwise after the answer."""
        if self._is_incomplete() or self.flow.write_paused:
            self.transport.abort()
        else:
            super().shutdown()

    def _is_incomplete(self) -> bool:
        """Return whether the end of a request is still to come."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def _watch(self) -> None:
        """Let the clock run from the first byte of a request to its last."""
        if not self._is_incomplete():
            self._stop_clock()
        elif self._clock is None:
            self._clock = self.loop.call_later(READ_SECONDS, self._too_slow)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _too_slow(self) -> None:
        has_begun = self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]
        if has_begun and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
            self.transport.write(SLOW % b"a request must arrive within %d seconds." % READ_SECONDS)
        self.transport.close()


def most_connections() -> int:
    """Return how many connections there are descriptors for; raise OSError if for none."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_CONNECTIONS // 4
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    if limit <= BACKLOG + SPARE:
        raise OSError(
            f"a process must be allowed more than {BACKLOG + SPARE} open files; {limit} are: `ulimit -n 1024`."
        )
    return min(limit - BACKLOG - SPARE, MOST_CONNECTIONS)


def run(app, listener: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM; both end as KeyboardInterrupt, after the answers that are under way."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    protocol = type("LimitedConnection", (Connection,), {"most": most_connections()})
    config = uvicorn.Config(
        app, http=protocol, ws="none", loop="asyncio", lifespan="off", backlog=BACKLOG, proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS, log_level="error", access_log=False, server_header=False,
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
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._limited)(scope, receive, send)

    def _refusal(self, scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(_name(host), scope):
            advice = "Ask by the address that the service printed, or start it with --name and this name."
            return _refused(400, f"the host must be a name of this service; it is {host[:100]!r}. {advice}")
        if scope["method"] not in READING and origin is not None and urlsplit(origin).netloc != host:
            must = "only a page of this service may write from a browser"
            return _refused(403, f"{must}; this one is of {origin[:100]!r}.")
        if self.token is not None and scope["path"] not in OPEN:
            given = headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, b"Bearer " + self.token.encode()):
                advice = (
                    "Send the header `Authorization: Bearer TOKEN`, with the token that the service was started with."
                )
                return _refused(401, f"this service answers those who know its token. {advice}", "Bearer")
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


def _refused(status: int, detail: str, scheme: str | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, {"www-authenticate": scheme} if scheme else None)


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
