"""Where a MovieLens archive comes from: the data folder, GroupLens, or (ML-100K only) the wheel of RecBole.

A download goes into a folder of its own, is checked and then renamed: every file in the data folder is whole.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import requests
import tqdm
import urllib3

from movierec.files import sha256_of_file, storage_error, unfinished

try:
    import resource
except ImportError:  # Windows
    resource = None

SERVER = "https://files.grouplens.org/datasets/movielens"
TIMEOUT = (5, 30)  # seconds to connect, seconds without a byte
PATIENCE, SLOWEST = 60, 20_000  # a download may take 60 s, and a second for each 20 kB
MOST_MD5, MOST_WHEEL = 10_000, 10_000_000  # bytes of a file with a checksum, of RecBole's wheel


REASONS = {  # the first kind that fits
    requests.exceptions.SSLError: "its certificate was refused (expired there, or replaced by a proxy here)",
    requests.exceptions.ConnectTimeout: f"no answer within {TIMEOUT[0]} s",
    requests.exceptions.ReadTimeout: f"no byte within {TIMEOUT[1]} s",
    urllib3.exceptions.ReadTimeoutError: f"no byte within {TIMEOUT[1]} s",
    requests.exceptions.ChunkedEncodingError: "the connection broke off before the last byte",
    urllib3.exceptions.HTTPError: "the connection broke off before the last byte",
    requests.exceptions.ConnectionError: "no connection",
}


class Archive(NamedTuple):
    """What GroupLens publishes of an archive; `None` where the archive changes over time.

    Source: the archives' READMEs; Harper and Konstan (2015), Table 1, for the films of ml-1m and the users of ml-10m.
    """

    megabytes: int
    md5: str | None = None
    num_ratings: int | None = None
    num_users: int | None = None
    num_movies: int | None = None
    num_tags: int | None = None
    members: dict[str, str] = {}  # SHA-256 of files, for a folder that was unpacked already

    @property
    def most_bytes(self) -> int:
        """Most bytes of a download: the published size, which is rounded, + 2 MB; four times of it if it changes."""
        return 1_000_000 * (self.megabytes + 2 if self.md5 else 4 * self.megabytes)


MEMBERS_100K = {
    "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
    "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
}
ARCHIVES = {
    "ml-100k": Archive(5, "0e33842e24a9c977be4e0107933c0723", 100_000, 943, 1_682, 0, MEMBERS_100K),
    "ml-1m": Archive(6, "c4d9eecfca2ab87c1945afe126590906", 1_000_209, 6_040, 3_706, 0),
    "ml-10m": Archive(66, "ce571fd55effeba0271552578f2648bd", 10_000_054, 69_878, 10_681, 95_580),
    "ml-20m": Archive(199, "cd245b17a1ae2cc31bb14903e1204af3", 20_000_263, 138_493, 27_278, 465_564),
    "ml-25m": Archive(262, "6b51fb2759a8657d3bfcbfc42b592ada", 25_000_095, 162_541, 62_423, 1_093_360),
    "ml-32m": Archive(239, "d472be332d4daa821edc399621853b57", 32_000_204, 200_948, 87_585, 2_000_072),
    "ml-latest": Archive(351),
    "ml-latest-small": Archive(1),
}
FOLDERS = {"ml-10m": "ml-10M100K"}  # inside the archive, where it is not called as the data set is
WHEEL = "recbole-1.2.1-py3-none-any.whl"  # 2 MB; holds ML-100K as RecBole's "atomic" files
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
ATOMIC_SHA256 = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
}


class DataUnavailable(FileNotFoundError):
    """A data set, or a part of it, could not be had; the message says what was tried and what to do."""


def obtain(name: str, raw: Path) -> Path:
    """Return the checked archive, or unpacked folder, of data set `name` in `raw`; fetch it if it is not there.

    DataUnavailable if no source has it, or the file that is there has another checksum; OSError if the disk is full or
    `raw` cannot be written.
    """
    names = list(dict.fromkeys([f"{name}.zip", name, FOLDERS.get(name, name)]))
    names += [WHEEL] if name == "ml-100k" else []
    for path in (raw / candidate for candidate in names):
        if path.exists():
            return path if path.is_dir() else _checked(path, name)
    sources: dict[str, Callable[[str, Path], Path]] = {f"{SERVER}/{name}.zip": _from_grouplens}
    if name == "ml-100k":
        sources["pip download recbole==1.2.1"] = _from_pip
    tried = [f"{raw}: no {', no '.join(names)}"]
    for label, source in sources.items():
        try:
            raw.mkdir(parents=True, exist_ok=True)
            with unfinished(raw) as folder:
                file = source(name, folder)
                return file.replace(raw / file.name)
        except (DataUnavailable, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            tried.append(f"{label}: {_reason(error)}")
        except OSError as error:
            advice = f'movierec.load("{name}", folder="…") or the environment variable MOVIEREC_DATA'
            advice = f"Nothing was left behind of {name}. Make room or choose a folder: {advice}."
            raise storage_error(error, raw, 1e6 * ARCHIVES[name].megabytes, advice) from error
    reasons = "\n".join(f"  {number}. {reason}" for number, reason in enumerate(tried, 1))
    raise DataUnavailable(
        f"{name} could not be had from any of its sources:\n{reasons}\n"
        f'Run movierec.load("{name}") again with a connection, or download {SERVER}/{name}.zip on another '
        f"computer and put it, as it is, at {raw / name}.zip."
    )


def again(path: Path, name: str) -> str:
    """Return the advice that ends every message on a damaged file."""
    return f'Delete {path} and run movierec.load("{name}") again: the archive is fetched anew.'


def checksum(path: Path) -> str:
    """Return the MD5 of a zip, as GroupLens publishes it, else the SHA-256; computed once until the file changes."""
    return _checksum(path.absolute(), path.stat().st_size, path.stat().st_mtime_ns)


@functools.lru_cache(64)
def _checksum(path: Path, size: int, time_ns: int) -> str:
    if path.suffix != ".zip":
        return sha256_of_file(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_members(root: Path, known: dict[str, str], advice: str) -> None:
    """Raise DataUnavailable unless the files in `root` have their known SHA-256."""
    for member in filter(lambda member: (root / member).exists(), known):  # a missing one is reported by the reader
        found = hashlib.sha256((root / member).read_bytes()).hexdigest()
        if found != known[member]:
            own = "Data of your own are read by movierec.read(ratings, movies)."
            raise DataUnavailable(f"{root / member} must have SHA-256 {known[member]}; it has {found}. {advice} {own}")


def _checked(path: Path, name: str) -> Path:
    algorithm, expected = ("SHA-256", WHEEL_SHA256) if path.suffix == ".whl" else ("MD5", ARCHIVES[name].md5)
    if expected and (found := checksum(path)) != expected:
        raise DataUnavailable(
            f"{path} must be the published archive, {algorithm} {expected}; this file of "
            f"{path.stat().st_size:,} bytes has {found}: it is cut short, damaged or another version. "
            + again(path, name)
        )
    return path


def _from_grouplens(name: str, folder: Path) -> Path:
    archive = ARCHIVES[name]
    url, path = f"{SERVER}/{name}.zip", folder / f"{name}.zip"
    expected = archive.md5 or _published_md5(url)
    watched = sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")
    with open(path, "wb") as file:
        _download(url, file, archive.most_bytes, has_bar=watched and archive.megabytes > 1)
    if (found := checksum(path)) != expected:
        raise DataUnavailable(f"sent another file: MD5 hash of downloaded file: expected md5:{expected}, got {found}")
    return path


def _published_md5(url: str) -> str:
    """Return the checksum in the `.md5` file beside an archive that changes over time."""
    text = io.BytesIO()
    _download(url + ".md5", text, MOST_MD5)
    text = text.getvalue().decode(errors="replace")
    if not (found := re.search(r"\b[0-9a-f]{32}\b", text.lower())):
        raise DataUnavailable(f"{url}.md5 must hold the MD5 of the archive; it holds {text[:40]!r}")
    return found[0]


def _download(url: str, file: IO[bytes], most: int, has_bar: bool = False) -> None:
    """Write what a server sends, at most `most` bytes, into an open file.

    Raise DataUnavailable as soon as it has sent or announced more, or is too slow; requests' or urllib3's if it fails.
    """
    started, seconds = time.monotonic(), PATIENCE + most / SLOWEST
    identity = {"Accept-Encoding": "identity"}  # what is compressed once more may be larger than it says
    with requests.get(url, stream=True, timeout=TIMEOUT, headers=identity) as answer:
        answer.raise_for_status()
        declared = answer.headers.get("Content-Length", "")
        declared = int(declared) if declared.isdecimal() else 0
        bar = tqdm.tqdm(total=declared or None, unit="B", unit_scale=True, disable=not has_bar)
        while max(declared, file.tell()) <= most:
            if time.monotonic() - started > seconds:
                raise DataUnavailable(f"sent only {file.tell():,} bytes in {seconds:,.0f} s and was given up")
            if not (chunk := answer.raw.read1(1 << 18, decode_content=False)):
                return bar.close()
            file.write(chunk)
            bar.update(len(chunk))
    raise DataUnavailable(f"sends {max(declared, most + 1):,} bytes or more, of at most {most:,}; it was cut off")


def _from_pip(name: str, folder: Path) -> Path:
    options = "--quiet --disable-pip-version-check --no-input --timeout 10 --retries 1 --no-deps --only-binary :all:"
    command = [sys.executable, "-m", "pip", "download", *options.split(), "recbole==1.2.1", "--dest", str(folder)]
    try:
        limit = resource and functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (MOST_WHEEL, MOST_WHEEL))
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, preexec_fn=limit)
    except subprocess.TimeoutExpired as error:
        raise DataUnavailable("no wheel within 300 s") from error
    if "No space left on device" in done.stderr:
        raise OSError(errno.ENOSPC, "No space left on device")
    wheel = folder / WHEEL
    if not wheel.exists():
        raise DataUnavailable((done.stderr.strip() or f"pip left no {WHEEL}").splitlines()[-1])
    if (found := sha256_of_file(wheel)) != WHEEL_SHA256:
        raise DataUnavailable(f"the wheel has SHA-256 {found}, not {WHEEL_SHA256}")
    return wheel


def _reason(error: Exception) -> str:
    """Return a failed request in a few words; the library's own message runs over three lines."""
    if isinstance(error, requests.HTTPError):
        return f"answered {error.response.status_code} {error.response.reason}"
    words = next(
        (words for kind, words in REASONS.items() if isinstance(error, kind)), f"{type(error).__name__}: {error}"
    )
    return str(error) if isinstance(error, DataUnavailable) else words
