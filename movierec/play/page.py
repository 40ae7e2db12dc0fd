"""The form of `make app` as a web page, for this machine only: `python -m movierec.play.page --port=8866`.

Voilà runs a notebook, in a kernel of its own with the model in it, for every view of the page, and keeps the kernel.
Here a kernel that nobody looks at ends within seconds, a few at most run at once, no page of another site starts one,
and nothing is loaded from other hosts. Taught in notebooks/07_recommendations.
"""

import re
import sys
import webbrowser
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

MOST_KERNELS = 4  # of 0.8 GB each
IDLE_SECONDS = 15  # without a page that shows it; a kernel may take most of them to start
FOREIGN = re.compile(r"""<link[^>]*(?:href|src)=["']https?://[^>]*>""")
OWN = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: ws:; frame-ancestors 'self'"
SETTINGS = {
    "VoilaConfiguration": {"preheat_kernel": False},
    "MappingKernelManager": {"cull_idle_timeout": IDLE_SECONDS, "cull_interval": 2, "cull_connected": False},
    "Voila": {
        "ip": "127.0.0.1",
        "tornado_settings": {"allow_remote_access": False, "headers": {"Content-Security-Policy": OWN}},
    },
}


class Kernels(AsyncMappingKernelManager):
    """Kernels of visitors, a few at most."""

    _beginning = 0

    async def start_kernel(self, **options) -> str:
        """Start a kernel and return its id; refuse with 503 if there are as many as may be."""
        if len(self) + self._beginning >= MOST_KERNELS:
            raise HTTPError(503, reason=f"{MOST_KERNELS} pages are open: close one and wait {IDLE_SECONDS} seconds")
        self._beginning += 1
        try:
            return await super().start_kernel(**options)
        finally:
            self._beginning -= 1


class View(TornadoVoilaHandler):
    """The page: only for a person who opens it, not for an image or a frame of another site."""

    async def get(self, path=None) -> None:
        """Answer with the page, or refuse before a kernel is started."""
        headers = self.request.headers
        is_ours = headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        is_page = (
            headers.get("Sec-Fetch-Dest", "document") == "document" and "image/" not in headers.get("Accept", "")[:6]
        )
        pages = [headers[name] for name in ("Origin", "Referer") if name in headers]
        if path or not (is_ours and is_page and all(urlsplit(page).netloc == self.request.host for page in pages)):
            raise HTTPError(403, reason="the page opens from the address bar only: type its address there")
        await super().get(path=path)

    def write(self, chunk) -> None:
        """Write a part of the page, without styles of other hosts."""
        super().write(FOREIGN.sub("", chunk) if isinstance(chunk, str) else chunk)


class Page(Voila):
    """Voilà with these kernels and this view."""

    def init_handlers(self) -> list:
        """Return Voilà's handlers, with ours in the place of its own."""
        return [
            (pattern, View if handler is TornadoVoilaHandler else handler, *options)
            for pattern, handler, *options in super().init_handlers()
        ]

    def launch_browser(self) -> None:
        """Open the page as if its address had been typed; Voilà's own way looks like a link of another site."""
        Thread(target=webbrowser.open, args=(self.display_url,), daemon=True).start()


def main(arguments: list[str]) -> None:
    """Show the page until it is interrupted; the arguments are those of Voilà."""
    config = Config(SETTINGS)
    config.VoilaConfiguration.multi_kernel_manager_class = Kernels
    Page.launch_instance([str(Path(__file__).with_name("app.ipynb")), *arguments], config=config)


if __name__ == "__main__":
    main(sys.argv[1:])
