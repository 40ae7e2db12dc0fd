"""Archives of a few rows, as GroupLens publishes them, and how tables are compared."""

import hashlib
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from movierec.data import download

SMALL = {  # ml-latest-small, whose checksum is not published
    "ratings.csv": "userId,movieId,rating,timestamp\n1,11,4.0,964982703\n2,9,0.5,1537799250\n",
    "movies.csv": "movieId,title,genres\n11,Heat (1995),Crime\n9,Cats,Musical\n",
    "tags.csv": 'userId,movieId,tag,timestamp\n2,11,"für ""Fans"", NA",1445714994\n',
}


def write_zip(path: Path, files: dict[str, str], encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for member, text in files.items():
            opened.writestr(member, text.encode(encoding, "surrogateescape"))
    return path


def write_small(folder: Path, more: str = "", **changed: str) -> Path:
    """Write ml-latest-small into `folder`/raw: two ratings and `more`."""
    files = (
        SMALL | {"ratings.csv": SMALL["ratings.csv"] + more} | {f"{name}.csv": text for name, text in changed.items()}
    )
    named = {f"ml-latest-small/{name}": text for name, text in files.items()}
    return write_zip(folder / "raw" / "ml-latest-small.zip", named)


@pytest.fixture
def publish(monkeypatch, tmp_path):
    """Write an archive into tmp_path/raw and make its checksum the published one."""

    def write(name: str, files: dict[str, str], encoding: str = "utf-8") -> Path:
        path = write_zip(tmp_path / "raw" / f"{name}.zip", files, encoding)
        if not name.startswith("ml-latest"):
            md5 = hashlib.md5(path.read_bytes()).hexdigest()
            monkeypatch.setitem(download.ARCHIVES, name, download.Archive(1, md5, 5))
        return path

    return write


def rows(table: pd.DataFrame) -> list[tuple]:
    return [tuple(None if pd.isna(cell) else cell for cell in row) for row in table.itertuples(index=False)]


def assert_same(one, other):
    for left, right in zip(one, other, strict=True):
        assert left is right is None or pd.testing.assert_frame_equal(left, right) is None
