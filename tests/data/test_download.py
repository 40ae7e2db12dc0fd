"""`movierec.data.download`: every source, every way in which it fails, and what is left in the folder afterwards.

The server is on 127.0.0.1, pip is replaced; nothing here needs the internet.
"""

import contextlib
import errno
import hashlib
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from movierec.data import download
from tests.little_room import little_room

RUN = subprocess.run

BODY = b"the bytes of an archive " * 100_000  # 2.4 MB: large enough for a progress bar
NAME = "ml-1m"


@pytest.fixture
def server(monkeypatch):
    """A GroupLens of our own; `server["/ml-1m.zip"] = (status, declared length, body)` publishes.

    The length may be None, and the body an endless iterator: the server goes on until nobody listens.
    """
    pages = {}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            status, length, body = pages.get(self.path, (404, 0, b""))
            self.send_response(status)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            with contextlib.suppress(OSError):
                for piece in [body] if isinstance(body, bytes) else body:
                    self.wfile.write(piece)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(download, "SERVER", f"http://127.0.0.1:{http.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield pages
    http.shutdown()
    http.server_close()


@pytest.fixture
def offline(monkeypatch):
    """No server, and a pip that finds no index."""
    monkeypatch.setattr(download, "SERVER", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(subprocess, "run", pip(stderr="WARNING: retrying\nERROR: No matching distribution"))


def pip(wheel: bytes | None = None, stderr: str = ""):
    """A replacement for `subprocess.run` that leaves `wheel` in the folder that the command names."""

    def run(command, **_):
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        assert "recbole==1.2.1" in command and "--no-deps" in command
        if wheel is not None:
            Path(command[command.index("--dest") + 1], download.WHEEL).write_bytes(wheel)
        return subprocess.CompletedProcess(command, 0 if wheel else 1, "", stderr)

    return run


def publish(monkeypatch, server: dict, name=NAME):
    """Make BODY the published archive, and serve it."""
    monkeypatch.setitem(download.ARCHIVES, name, download.Archive(6, hashlib.md5(BODY).hexdigest()))
    server[f"/{name}.zip"] = (200, len(BODY), BODY)


@pytest.fixture
def wheel(monkeypatch):
    """Make BODY the wheel of RecBole, and let pip find it."""
    monkeypatch.setattr(download, "WHEEL_SHA256", hashlib.sha256(BODY).hexdigest())
    monkeypatch.setattr(subprocess, "run", pip(BODY))


def failing(error: Exception):
    def fail(*_, **__):
        raise error

    return fail


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_an_archive_is_fetched_checked_and_kept(server, monkeypatch, tmp_path, capsys):
    publish(monkeypatch, server)
    path = download.obtain(NAME, tmp_path / "new" / "raw")
    assert path == tmp_path / "new" / "raw" / "ml-1m.zip"
    assert path.read_bytes() == BODY
    assert left_in(path.parent) == ["ml-1m.zip"]
    server.clear()
    assert download.obtain(NAME, path.parent) == path  # the second time no server is needed
    assert capsys.readouterr() == ("", "")  # not a terminal: not a word


def test_a_terminal_sees_a_bar_for_large_files(server, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    publish(monkeypatch, server)
    download.obtain(NAME, tmp_path)
    assert "100%" in capsys.readouterr().err
    monkeypatch.setitem(download.ARCHIVES, NAME, download.Archive(1, hashlib.md5(BODY).hexdigest()))
    download.obtain(NAME, tmp_path / "other")
    assert capsys.readouterr() == ("", "")


ANSWERS = {
    "missing": ((404, 0, b""), "answered 404 Not Found"),
    "truncated": ((200, len(BODY), BODY[:1000]), "the connection broke off before the last byte"),
    "wrong checksum": ((200, 1000, BODY[:1000]), "sent another file: MD5 hash of downloaded file"),
    "longer than announced": ((200, 1000, BODY), "sent another file"),
    "endless": ((200, None, "at once"), "sends 8,000,001 bytes or more, of at most 8,000,000; it was cut off"),
    "announced": ((200, 10**12, b""), "sends 1,000,000,000,000 bytes or more, of at most 8,000,000; it was cut off"),
    "slow": ((200, len(BODY), "slowly"), r"sent only \d+ bytes in 0 s and was given up"),
    "no certificate": (requests.exceptions.SSLError("…"), "its certificate was refused"),
    "no answer": (requests.exceptions.ConnectTimeout("…"), "no answer within 5 s"),
    "of another kind": (requests.exceptions.TooManyRedirects("thirty"), "TooManyRedirects: thirty"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_bad_answer_is_told_in_time_and_leaves_nothing(kind, server, monkeypatch, tmp_path):
    """An archive of 6 MB has at most 8; it is refused when one byte more is there, and when it takes too long."""
    page, reason = ANSWERS[kind]
    publish(monkeypatch, server)
    (tmp_path / "mine.zip").write_bytes(b"mine")
    if isinstance(page, Exception):
        monkeypatch.setattr(requests.Session, "request", failing(page))
    else:
        status, length, body = page
        server["/ml-1m.zip"] = (status, length, body if isinstance(body, bytes) else drops(0.02 * (body == "slowly")))
    if kind == "slow":
        monkeypatch.setattr(download, "PATIENCE", 0.2)
        monkeypatch.setattr(download, "SLOWEST", 1e9)
    with pytest.raises(download.DataUnavailable, match=reason) as error:
        download.obtain(NAME, tmp_path)
    assert f"put it, as it is, at {tmp_path / 'ml-1m.zip'}" in str(error.value)
    assert left_in(tmp_path) == ["mine.zip"]


def drops(wait: float):
    while True:
        time.sleep(wait)
        yield b"." if wait else bytes(1 << 20)


def test_offline_lists_every_source_and_the_way_by_hand(offline, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        download.obtain("ml-100k", tmp_path)
    assert str(error.value).splitlines() == [
        "ml-100k could not be had from any of its sources:",
        f"  1. {tmp_path}: no ml-100k.zip, no ml-100k, no recbole-1.2.1-py3-none-any.whl",
        "  2. http://127.0.0.1:9/ml-100k.zip: no connection",
        "  3. pip download recbole==1.2.1: ERROR: No matching distribution",
        'Run movierec.load("ml-100k") again with a connection, or download http://127.0.0.1:9/ml-100k.zip on '
        f"another computer and put it, as it is, at {tmp_path / 'ml-100k.zip'}.",
    ]
    assert left_in(tmp_path) == []


def test_the_wheel_is_the_last_resort_of_ml_100k_only(offline, wheel, tmp_path, capsys):
    path = download.obtain("ml-100k", tmp_path)
    assert (path.name, path.read_bytes()) == (download.WHEEL, BODY)
    assert left_in(tmp_path) == [download.WHEEL]
    assert capsys.readouterr() == ("", "")
    with pytest.raises(download.DataUnavailable) as error:
        download.obtain("ml-25m", tmp_path)
    assert "pip" not in str(error.value)


@pytest.mark.parametrize(
    "run, reason",
    [
        (pip(b"another"), "the wheel has SHA-256 .*, not 9c9948202011f37e"),
        (failing(subprocess.TimeoutExpired("pip", 300)), "no wheel within 300 s"),
    ],
)
def test_another_wheel_is_refused_and_a_pip_that_hangs_is_given_up(run, reason, offline, monkeypatch, tmp_path):
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(download.DataUnavailable, match=reason):
        download.obtain("ml-100k", tmp_path)
    assert left_in(tmp_path) == []


def test_order_of_what_is_there(offline, wheel, monkeypatch, tmp_path):
    publish(monkeypatch, {}, "ml-100k")
    for path in [tmp_path / download.WHEEL, tmp_path / "ml-100k", tmp_path / "ml-100k.zip"]:
        path.mkdir() if path.name == "ml-100k" else path.write_bytes(BODY)
        assert download.obtain("ml-100k", tmp_path) == path
    (tmp_path / "ml-10M100K").mkdir()  # as an unpacking browser calls ml-10m
    assert download.obtain("ml-10m", tmp_path) == tmp_path / "ml-10M100K"


@pytest.mark.parametrize("name, file", [(NAME, "ml-1m.zip"), ("ml-100k", download.WHEEL)])
def test_a_damaged_archive_is_refused_with_both_checksums(offline, tmp_path, name, file):
    (tmp_path / file).write_bytes(b"half an arch")
    found = (hashlib.sha256 if file == download.WHEEL else hashlib.md5)(b"half an arch").hexdigest()
    expected = download.WHEEL_SHA256 if file == download.WHEEL else "c4d9eecfca2ab87c1945afe126590906"
    with pytest.raises(download.DataUnavailable) as error:
        download.obtain(name, tmp_path)
    assert str(error.value).startswith(f"{tmp_path / file} must be the published archive")
    assert found in str(error.value) and expected in str(error.value) and "12 bytes" in str(error.value)
    assert str(error.value).endswith(
        f'Delete {tmp_path / file} and run movierec.load("{name}") again: the archive is fetched anew.'
    )
    assert left_in(tmp_path) == [file]  # the reader's file is the reader's to delete


def test_a_changing_archive_is_checked_by_the_file_beside_it(server, tmp_path):
    server["/ml-latest-small.zip"] = (200, len(BODY), BODY)
    right, wrong = (f"MD5 (ml-latest-small.zip) = {md5}\n" for md5 in (hashlib.md5(BODY).hexdigest(), "0" * 32))
    for text, reason in [
        (wrong.encode(), "expected md5:00000000"),
        (b"<html>", "it holds '<html>'"),
        (drops(0), "10,001 bytes or more, of at most 10,000"),
    ]:
        server["/ml-latest-small.zip.md5"] = (200, None, text)
        with pytest.raises(download.DataUnavailable, match=reason):
            download.obtain("ml-latest-small", tmp_path)
        assert left_in(tmp_path) == []
    server["/ml-latest-small.zip.md5"] = (200, len(right), right.encode())
    assert download.obtain("ml-latest-small", tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("source", ["GroupLens", "pip"])
def test_a_full_disk_says_what_is_needed_and_leaves_nothing(source, server, monkeypatch, tmp_path):
    said = r"about [56] MB are needed, \d+ MB are free\. Nothing was left behind of ml-100k\. .*MOVIEREC_DATA"
    publish(monkeypatch, server, "ml-100k")
    with little_room(tmp_path / "raw", 1_000_000) as raw, monkeypatch.context() as patch:
        if source == "pip":
            server.clear()
            patch.setattr(subprocess, "run", pip(stderr="ERROR: [Errno 28] No space left on device\n"))
        with pytest.raises(OSError, match=said) as error:
            download.obtain("ml-100k", raw)
        assert error.value.errno in (errno.ENOSPC, errno.EFBIG)
        assert left_in(raw) == []


def test_a_folder_that_cannot_be_written(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="file must be a writable folder"):
        download.obtain(NAME, tmp_path / "file")
    # root may write anywhere: file modes prove nothing here
    monkeypatch.setattr(Path, "mkdir", failing(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(PermissionError, match=r"raw must be a writable folder.*Permission denied.*MOVIEREC"):
        download.obtain(NAME, tmp_path / "raw")


def test_a_checksum_is_computed_once_until_the_file_changes(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    path.write_bytes(b"one")
    assert download.checksum(path) == hashlib.md5(b"one").hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)  # would fail
        assert download.checksum(path) == hashlib.md5(b"one").hexdigest()
    path.write_bytes(b"three")
    assert download.checksum(path) == hashlib.md5(b"three").hexdigest()
    assert download.checksum(path.rename(tmp_path / "a.csv")) == hashlib.sha256(b"three").hexdigest()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit for files")
def test_pip_writes_no_file_that_is_larger_than_the_wheel(offline, monkeypatch, tmp_path):

    def endless(command, **how):
        """A process with the same limits that writes a wheel of 20 MB, as pip does from an index that is not ours."""
        place = Path(command[command.index("--dest") + 1], download.WHEEL)
        done = RUN([sys.executable, "-c", f"open({str(place)!r}, 'wb').write(bytes(20_000_000))"], **how)
        assert "File too large" in done.stderr and place.stat().st_size <= 10_000_000
        return done

    monkeypatch.setattr(subprocess, "run", endless)
    with pytest.raises(download.DataUnavailable, match="pip download recbole==1.2.1: the wheel has SHA-256"):
        download.obtain("ml-100k", tmp_path)
    assert left_in(tmp_path) == []
