"""The server: requests that must arrive in time, no more connections than there are descriptors, an end within seconds.

uvicorn closes a connection that is idle after an answer. It waits for ever for a request that is sent by halves, and
takes connections until no descriptor is left; `Connection` adds both limits.
"""

import signal
import socket
import threading

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

READ_SECONDS = 5  # for a whole request, and for a client that does not take its answer
STOP_SECONDS = 3  # for answers that are under way when the service is stopped
MOST_CONNECTIONS = 1_000
BACKLOG = 100  # connections that may wait to be accepted; so many are accepted at once
SPARE = 64  # descriptors for the event store, the model and the libraries
BUSY = b'HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{"detail":"%s"}'
SLOW = BUSY.replace(b"503 Service Unavailable", b"408 Request Timeout")


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
