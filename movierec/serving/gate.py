"""Who may ask the service: its own names, no page of another site, and with a token only those who know it.

A browser lets any web page send requests to 127.0.0.1. A page may write only if it was served from here (`Origin`). A
foreign name that was made to point to 127.0.0.1 (DNS rebinding) shows itself in `Host`.
"""

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

OPEN = ("/docs", "/openapi.json")  # say how to ask, and nothing of users
READING = ("GET", "HEAD", "OPTIONS")


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
