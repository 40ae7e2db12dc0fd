"""A service of one's own, for a while: start it in another process, ask it, kill it, read its log.

Used in notebooks/12_serving.
"""

import re
import sqlite3
import subprocess
import sys
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pandas as pd
import requests

ANSWER_SECONDS = 60  # to wait for an answer, at most


class LocalService(AbstractContextManager):
    """`python -m movierec serve` on a free port of this machine.

    Args:
        model, events: See `serve`.
        options: Of the command, e.g. "--explore", 0.2.

    Raises:
        RuntimeError: If it does not start; it has said why.
    """

    def __init__(self, model, events, *options):
        self.events = Path(events)
        command = [sys.executable, "-m", "movierec", "serve", "--no-page", "--port", "0"]
        command += ["--model", model, "--events", events]
        self.process = subprocess.Popen([*command, *map(str, options)], stdout=subprocess.PIPE, text=True)
        address = re.search(r"http://[^/]*", self.process.stdout.readline())
        if address is None:
            self.kill()
            raise RuntimeError("the service did not start; what it says is above.")
        self.address = address[0]
        self._session = requests.Session()

    def __exit__(self, *_) -> None:
        self.kill()

    def ask(self, method: str, path: str, **body) -> tuple[int, dict]:
        """Return the status and the JSON of an answer."""
        answer = self._session.request(method, self.address + path, json=body or None, timeout=ANSWER_SECONDS)
        return answer.status_code, answer.json()

    def log(self, query: str) -> pd.DataFrame:
        """Return the rows of a SELECT on its file of events, which any program can read."""
        with closing(sqlite3.connect(self.events)) as database:
            return pd.read_sql(query, database)

    def kill(self) -> None:
        """End the process by SIGKILL: no goodbye, no flush. Killing twice is killing once."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
