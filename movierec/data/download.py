"""Where a MovieLens archive comes from: the data folder, GroupLens, or (ML-100K only) the wheel of RecBole.

Nothing is printed but a progress bar for large downloads and, at a terminal, one line when GroupLens is out
of reach. A download is written beside its target under another name, checked and renamed: what is there is
whole.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import requests
from tqdm.auto import tqdm

SERVER = "https://files.grouplens.org/datasets/movielens"
TIMEOUT = (5, 30)  # seconds to connect, seconds without a byte: an unreachable server costs seconds
SWEEP_AFTER = 3600  # seconds without a byte after which a half-written file is a dead process's
BAR_FROM = 1_000_000  # bytes; smaller downloads are over before a bar is seen


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


ARCHIVES = {
    "ml-100k": Archive(5, "0e33842e24a9c977be4e0107933c0723", 100_000, 943, 1_682, 0),
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


def obtain(name: str, raw: Path, digest: Callable[[Path, str], str] | None = None) -> Path:
    """The checked archive, or unpacked folder, of data set `name` in `raw`; fetched if it is not there.

    Args:
        name: One of `ARCHIVES`.
        raw: The folder of archives.
        digest: (path, algorithm) -> checksum in hex, for an archive that is there; default: computed each time.

    Raises:
        DataUnavailable: No source has it, or the file that is there has another checksum.
        OSError: The disk is full or `raw` cannot be written.
    """
    names = list(dict.fromkeys([f"{name}.zip", name, FOLDERS.get(name, name)]))
    names += [WHEEL] if name == "ml-100k" else []
    for path in (raw / candidate for candidate in names):
        if path.exists():
            return path if path.is_dir() else _checked(path, name, digest or _digest)
    tried = [f"{raw}: no {', no '.join(names)}"]
    sources: list[tuple[str, Callable]] = [(f"{SERVER}/{name}.zip", _from_grouplens)]
    if name == "ml-100k":
        sources.append(("pip download recbole==1.2.1", _from_pip))
    for label, source in sources:
        try:
            _prepare(raw)
            return source(name, raw)
        except DataUnavailable as error:
            tried.append(f"{label}: {error}")
            if len(tried) <= len(sources) and sys.stderr.isatty():  # a notebook cell is not a terminal
                print(f"{label}: {error}. Next: {sources[len(tried) - 1][0]}", file=sys.stderr)
        except OSError as error:
            raise _storage_error(error, name, raw) from error
    reasons = "\n".join(f"  {number}. {reason}" for number, reason in enumerate(tried, 1))
    raise DataUnavailable(
        f"{name} could not be had from any of its sources:\n{reasons}\n"
        f'Run movierec.load("{name}") again with a connection, or download {SERVER}/{name}.zip on another '
        f"computer and put it, as it is, at {raw / name}.zip."
    )


def again(path: Path, name: str) -> str:
    """The advice that ends every message on a damaged file."""
    return f'Delete {path} and run movierec.load("{name}") again: the archive is fetched anew.'


def check_atomic(root: Path, advice: str) -> None:
    """Raise unless RecBole's files of ML-100K in `root` are the known ones (SHA-256)."""
    for member, expected in ATOMIC_SHA256.items():
        if (root / member).exists():  # a missing member is reported by the reader
            with (root / member).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != expected:
                raise DataUnavailable(f"{root / member} must have SHA-256 {expected}; it has {found}. {advice}")


def _checked(path: Path, name: str, digest: Callable[[Path, str], str]) -> Path:
    """`path`, if its checksum is the published one; changing archives are left to the CRCs in the zip."""
    algorithm, expected = ("sha256", WHEEL_SHA256) if path.suffix == ".whl" else ("md5", ARCHIVES[name].md5)
    found = digest(path, algorithm)
    if expected and found != expected:
        raise DataUnavailable(
            f"{path} must be the published archive, {algorithm.upper()} {expected}; this file of "
            f"{path.stat().st_size:,} bytes has {found}: it is cut short, damaged or another version. "
            + again(path, name)
        )
    return path


def _digest(path: Path, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _from_grouplens(name: str, raw: Path) -> Path:
    """Download `<name>.zip`, checked by the MD5 that GroupLens publishes."""
    target, url = raw / f"{name}.zip", f"{SERVER}/{name}.zip"
    try:
        expected = ARCHIVES[name].md5 or _published_md5(url)
        with requests.get(url, stream=True, timeout=TIMEOUT) as answer, _part(target) as part:
            answer.raise_for_status()
            total = int(answer.headers.get("Content-Length", 0))
            notebook = type(sys.stderr).__module__.startswith("ipykernel")
            quiet = total < BAR_FROM or not (notebook or sys.stderr.isatty())
            with (
                open(part, "xb") as file,
                tqdm(desc=target.name, total=total, unit="B", unit_scale=True, leave=False, disable=quiet) as bar,
            ):
                for chunk in answer.iter_content(1 << 18):
                    bar.update(file.write(chunk))
            if (found := _digest(part, "md5")) != expected:
                raise DataUnavailable(f"sent {part.stat().st_size:,} bytes with MD5 {found}, not {expected}")
    except requests.RequestException as error:
        raise DataUnavailable(_reason(error)) from error
    return target


def _published_md5(url: str) -> str:
    """The checksum in the `.md5` file beside an archive that changes over time."""
    answer = requests.get(url + ".md5", timeout=TIMEOUT)
    answer.raise_for_status()
    if not (found := re.search(r"\b[0-9a-f]{32}\b", answer.text.lower())):
        raise DataUnavailable(f"{url}.md5 must hold the MD5 of the archive; it holds {answer.text[:40]!r}")
    return found[0]


def _from_pip(name: str, raw: Path) -> Path:
    """Let the reader's own pip fetch the wheel of RecBole from the index it is configured for."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--timeout",
        "10",
        "--retries",
        "1",
        "--no-deps",
        "--only-binary",
        ":all:",
        "recbole==1.2.1",
    ]
    with _part(raw / WHEEL) as part, tempfile.TemporaryDirectory(".part", ".movierec-", raw) as folder:
        try:
            done = subprocess.run(
                [*command, "--dest", folder], check=False, capture_output=True, text=True, timeout=300
            )
        except subprocess.TimeoutExpired as error:
            raise DataUnavailable("no wheel within 300 s") from error
        if "No space left on device" in done.stderr:
            raise OSError(errno.ENOSPC, "No space left on device")
        wheel = Path(folder) / WHEEL
        if not wheel.exists():
            raise DataUnavailable((done.stderr.strip() or f"pip left no {WHEEL}").splitlines()[-1])
        if (found := _digest(wheel, "sha256")) != WHEEL_SHA256:
            raise DataUnavailable(f"the wheel has SHA-256 {found}, not {WHEEL_SHA256}")
        os.replace(wheel, part)
    return raw / WHEEL


@contextlib.contextmanager
def _part(target: Path) -> Iterator[Path]:
    """A name of its own beside `target`: it becomes `target` if the block succeeds, else it vanishes."""
    part = target.with_name(f".movierec-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        if not target.exists():  # else another process was faster, and may be reading it
            os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _prepare(raw: Path) -> None:
    """Make the folder and sweep what a killed process left there more than an hour ago."""
    raw.mkdir(parents=True, exist_ok=True)
    for part in raw.glob(".movierec-*.part"):
        with contextlib.suppress(OSError):  # another process may sweep too
            if time.time() - part.stat().st_mtime > SWEEP_AFTER:
                shutil.rmtree(part) if part.is_dir() else part.unlink()


def _reason(error: requests.RequestException) -> str:
    """A failed request in a few words; the library's own run over three lines."""
    known = requests.exceptions
    if isinstance(error, known.HTTPError):
        return f"answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, known.SSLError):
        return "its certificate was refused (expired there, or replaced by a proxy here)"
    if isinstance(error, known.ConnectTimeout):
        return f"no answer within {TIMEOUT[0]} s"
    if isinstance(error, known.ChunkedEncodingError):
        return "the connection broke off before the last byte"
    return "no connection" if isinstance(error, known.ConnectionError) else f"{type(error).__name__}: {error}"


def _storage_error(error: OSError, name: str, raw: Path) -> OSError:
    """The same kind of error, with what is needed and what to do."""
    needed = ARCHIVES[name].megabytes
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        free = shutil.disk_usage(next(path for path in [raw, *raw.parents] if path.exists())).free
        cause = f"{name} needs {needed} MB in {raw}; {free // 1_000_000:,} MB are free there."
    else:
        cause = f"{raw} must be a writable folder for the {needed} MB of {name}; {error.strerror}."
    advice = f'movierec.load("{name}", folder="…") or the environment variable MOVIEREC_DATA'
    return OSError(error.errno, f"{cause} Nothing was left behind. Make room or choose a folder: {advice}.")
